"""Bodies as items: JSON, forms, forms with files, text, and anything else as Base64. Never fails otherwise than with
BadBody."""

from __future__ import annotations

import base64
from email.message import Message
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, StopFutureHandlers
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from workflow_platform.core.api.json_bodies import MAX_DEPTH, is_too_deep

MAX_FIELDS = 1_000
MAX_FILE_BYTES, MAX_FILES_BYTES = 1024 * 1024, 4 * 1024 * 1024
"""Files whose content is handed on: each, and together. Larger ones are described only."""
_NUL = "\N{REPLACEMENT CHARACTER}"
"""Stands for the NUL character, which PostgreSQL stores in no text."""


class BadBody(Exception):
    """The body is not what its content type says."""


def read_body(content_type: str, raw: bytes) -> Any:
    """Return JSON parsed, a form as an object, text as text, and bytes as `{base64, size}`. Raises BadBody."""
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
    """Return the names and values of a query string or a form. Raises BadBody where there are too many."""
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            raw.decode("utf-8", "replace"), keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise BadBody(f"There are more than {MAX_FIELDS} fields.") from None
    for name, value in pairs:
        found.setdefault(without_nul(name), []).append(without_nul(value))
    return found


def first_or_all(values: dict[str, list[Any]]) -> dict[str, Any]:
    """Return for each name its value, or the list of them where there are several."""
    return {name: found if len(found) > 1 else found[0] for name, found in values.items()}


def without_nul(value: str) -> str:
    """Return a text that can be stored."""
    return value.replace("\0", _NUL) if "\0" in value else value


def _json(raw: bytes) -> Any:
    if not raw.strip():
        return None
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadBody(f"The body is not JSON: {error}.") from None
    if is_too_deep(raw, value):
        raise BadBody(f"The JSON is nested more than {MAX_DEPTH} deep.")
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
    except (LookupError, ValueError):  # no such character set, or one that is none, such as "hex"
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
        """There is nothing to close; the parser asks for it when a form is malformed."""


class _InMemory(FileUploadHandler):
    """Keeps the file: the whole body is in memory already, and its size was limited."""

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
        raise BadBody(f"The form cannot be read: {error}") from None
    except (ValueError, LookupError):
        raise BadBody("The form cannot be read: its parts are malformed.") from None
    values: dict[str, list[Any]] = {
        without_nul(name): [without_nul(str(each)) for each in found] for name, found in fields.lists()
    }
    left = MAX_FILES_BYTES
    for name, found in files.lists():
        for file in found:
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
        return shown | {"left_out": f"Files of up to {MAX_FILE_BYTES} bytes are handed on, {MAX_FILES_BYTES} in all."}
    return shown | {"base64": base64.b64encode(file.content).decode()}
