"""Parses request bodies: JSON, forms, multipart forms and text; anything else becomes Base64. Raises only BadBody."""

from __future__ import annotations

import base64
from email.message import Message
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, StopFutureHandlers
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from workflow_platform.core import exact_json
from workflow_platform.core.api.json_bodies import MAX_DEPTH, is_too_deep

MAX_FIELDS = 1_000
MAX_FILE_BYTES, MAX_FILES_BYTES = 1024 * 1024, 4 * 1024 * 1024
"""The largest content of a file, and of all files of a request. Larger files are passed on without content."""
_NUL = "\N{REPLACEMENT CHARACTER}"
"""Replaces the NUL character, which PostgreSQL cannot store in text."""


class BadBody(Exception):
    """The body does not match its content type."""


def read_body(content_type: str, raw: bytes) -> Any:
    """Return parsed JSON, a form as an object, text as a string, or bytes as `{base64, size}`. Raises BadBody."""
    kind, charset = split_content_type(content_type)
    if "json" in kind:
        return _json(raw)
    if kind == "application/x-www-form-urlencoded":
        return first_or_all(read_query(raw))
    if kind == "multipart/form-data":
        return _multipart(content_type, raw)
    return _text(raw, charset) if kind.startswith("text/") else _text_or_bytes(raw, charset)


def split_content_type(value: str) -> tuple[str, str]:
    """Return (type, character set) of a Content-Type, in lower case."""
    message = Message()
    message["Content-Type"] = value.replace("\r", " ").replace("\n", " ")
    try:
        charset = message.get_param("charset", "")
    except (ValueError, TypeError, LookupError):
        charset = ""
    return value.partition(";")[0].strip().lower(), charset.lower() if isinstance(charset, str) else ""


def read_query(raw: bytes) -> dict[str, list[str]]:
    """Return the names and values of a query string or form. Raises BadBody if there are too many."""
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            raw.decode("utf-8", "replace"), keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise BadBody(f"The form or query has more than {MAX_FIELDS} fields, the limit.") from None
    for name, value in pairs:
        fields.setdefault(without_nul(name), []).append(without_nul(value))
    return fields


def first_or_all(values: dict[str, list[Any]]) -> dict[str, Any]:
    """Return for each name its value, or the list of its values if there are several."""
    return {name: all_values if len(all_values) > 1 else all_values[0] for name, all_values in values.items()}


def without_nul(value: str) -> str:
    """Return a text without NUL characters."""
    return value.replace("\0", _NUL) if "\0" in value else value


def _json(raw: bytes) -> Any:
    if not raw.removeprefix(exact_json.BOM).strip():
        return None
    try:
        value = exact_json.read(raw)
    except exact_json.NotJson as error:
        raise BadBody(f"The body is not JSON: {error}.") from None
    if is_too_deep(raw, value):
        raise BadBody(f"The JSON is nested more than {MAX_DEPTH} levels deep, the limit.")
    return _cleaned(value) if b"\\u0000" in raw else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return without_nul(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return {without_nul(name): _cleaned(each) for name, each in value.items()}
    return value


def _text(raw: bytes, charset: str) -> str:
    try:
        return without_nul(raw.decode(charset or "utf-8", "replace"))
    except (LookupError, ValueError):  # an unknown character set, or a codec that is not one, such as "hex"
        return without_nul(raw.decode("utf-8", "replace"))


def _text_or_bytes(raw: bytes, charset: str) -> Any:
    if charset:
        return _text(raw, charset)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return binary(raw)
    return binary(raw) if "\0" in text else text


def binary(raw: bytes) -> dict[str, Any]:
    """Return bytes as a JSON object."""
    return {"base64": base64.b64encode(raw).decode(), "size": len(raw)}


# --- forms with files ------------------------------------------------------------------------------------------------


class _File:
    def __init__(self, name: str, content_type: str, content: bytes) -> None:
        self.name, self.content_type, self.content = name, content_type, content
        self.size = len(content)

    def close(self) -> None:
        """Do nothing; the parser calls it when a form is malformed."""


class _InMemory(FileUploadHandler):
    """Keeps the file in memory: the whole body is there already, and its size is limited."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.chunks: list[bytes] = []
        raise StopFutureHandlers

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.chunks.append(raw_data)

    def file_complete(self, file_size: int) -> Any:
        return _File(self.file_name or "", self.content_type or "", b"".join(self.chunks))


def _multipart(content_type: str, raw: bytes) -> dict[str, Any]:
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": len(raw)}
    try:
        fields, files = MultiPartParser(meta, BytesIO(raw), [_InMemory()], "utf-8").parse()
    except (MultiPartParserError, SuspiciousOperation) as error:
        raise BadBody(f"The multipart form cannot be read: {error}") from None
    except (ValueError, LookupError):
        raise BadBody("The multipart form cannot be read: its parts are malformed.") from None
    values: dict[str, list[Any]] = {
        without_nul(name): [without_nul(str(each)) for each in listed] for name, listed in fields.lists()
    }
    left = MAX_FILES_BYTES
    for name, listed in files.lists():
        for file in listed:
            shown = _described(file, left)
            left -= file.size if "base64" in shown else 0
            values.setdefault(without_nul(name), []).append(shown)
    return first_or_all(values)


def _described(file: Any, left: int) -> dict[str, Any]:
    shown = {
        "filename": without_nul(file.name),
        "content_type": without_nul(file.content_type),
        "size": file.size,
    }
    if file.size > min(MAX_FILE_BYTES, left):
        limits = f"{MAX_FILE_BYTES} bytes per file and {MAX_FILES_BYTES} in total are passed on."
        return shown | {"left_out": f"The file is too large: {limits}"}
    return shown | {"base64": base64.b64encode(file.content).decode()}
