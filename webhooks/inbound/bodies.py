"""Parses request bodies: JSON, JSON lines, forms, multipart forms and text; anything else becomes Base64. Raises only
BadBody."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, StopFutureHandlers
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from workflow_platform.core import exact_json
from workflow_platform.core.api.json_bodies import MAX_DEPTH, is_too_deep
from workflow_platform.core.content import media_types
from workflow_platform.core.content.charsets import (
    WINDOWS,
    all_without_nul,
    as_utf8,
    codec,
    decode,
    split_content_type,
    without_nul,
)

MAX_FIELDS = 1_000
_PLACE = re.compile(r"line 1 column (\d+) \(char \d+\)")


class BadBody(Exception):
    """The body does not match its content type."""


def read_body(content_type: str, raw: bytes) -> Any:
    """Return parsed JSON, the list of the values of JSON lines, a form as an object, text as a string, or bytes as
    `{base64, size}`. Text is decoded by its declared charset. Raises BadBody."""
    kind, charset = split_content_type(content_type)
    if kind in media_types.JSON_LINES:
        return _json_lines(decode(raw, charset))
    if media_types.is_json(kind):
        return _json(as_utf8(raw, charset))
    if kind == "application/x-www-form-urlencoded":
        return first_or_all(read_query(raw, charset))
    if kind == "multipart/form-data":
        return _multipart(content_type, raw, charset)
    return media_types.text_or_bytes(raw, kind, charset)


def read_query(raw: bytes, charset: str = "") -> dict[str, list[str]]:
    """Return the names and values of a query string or form, whose escapes are of the charset: by default UTF-8, and
    windows-1252 for bytes that are not UTF-8. Raises BadBody if there are too many."""
    fields: dict[str, list[str]] = {}
    encoding = codec(charset) or "utf-8"
    try:
        pairs = parse_qsl(
            raw.decode(encoding, WINDOWS),
            keep_blank_values=True,
            encoding=encoding,
            errors=WINDOWS,
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise BadBody(f"The form or query has more than {MAX_FIELDS} fields, the limit.") from None
    for name, value in pairs:
        fields.setdefault(without_nul(name), []).append(without_nul(value))
    return fields


def first_or_all(values: dict[str, list[Any]]) -> dict[str, Any]:
    """Return for each name its value, or the list of its values if there are several."""
    return {name: all_values if len(all_values) > 1 else all_values[0] for name, all_values in values.items()}


def _json(raw: bytes) -> Any:
    if not raw.removeprefix(exact_json.BOM).strip():
        return None
    try:
        value = exact_json.read(raw)
    except exact_json.NotJson as error:
        raise BadBody(f"The body is not JSON: {error}.") from None
    if is_too_deep(raw, value):
        raise BadBody(f"The JSON is nested more than {MAX_DEPTH} levels deep, the limit.")
    return all_without_nul(value) if b"\\u0000" in raw else value


def _json_lines(text: str) -> list[Any]:
    values = []
    for number, line in enumerate(media_types.json_lines(text), 1):
        try:
            values.append(_json(line.encode()))
        except BadBody as error:
            raise BadBody(_placed(str(error), text.split("\n"), line, number)) from None
    return values


def _placed(problem: str, lines: list[str], line: str, record: int) -> str:
    """Return the problem of one of several JSON texts, with its place in the whole body."""
    if line not in lines:
        return f"Record {record}: {problem}"
    number = lines.index(line) + 1  # an equal line before it would have failed
    placed = _PLACE.sub(rf"line {number}, column \1", problem)
    return placed if placed != problem else f"Line {number}: {problem}"


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


def _multipart(content_type: str, raw: bytes, charset: str) -> dict[str, Any]:
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": len(raw)}
    try:
        # Latin-1 keeps each byte of a value, to be decoded below.
        fields, files = MultiPartParser(meta, BytesIO(raw), [_InMemory()], "latin-1").parse()
    except (MultiPartParserError, SuspiciousOperation) as error:
        raise BadBody(f"The multipart form cannot be read: {error}") from None
    except (ValueError, LookupError):
        raise BadBody("The multipart form cannot be read: its parts are malformed.") from None
    values: dict[str, list[Any]] = {
        in_charset(name, charset): [in_charset(str(each), charset) for each in listed]
        for name, listed in fields.lists()
    }
    for name, listed in files.lists():
        values.setdefault(in_charset(name, charset), []).extend(_described(file, charset) for file in listed)
    return first_or_all(values)


def in_charset(text: str, charset: str) -> str:
    """Return a name or a value of a form that was read as Latin-1, in its charset."""
    try:
        return without_nul(decode(text.encode("latin-1"), charset))
    except UnicodeEncodeError:  # it was decoded by its own declaration (filename*)
        return without_nul(text)


def _described(file: Any, charset: str) -> dict[str, Any]:
    shown = {"filename": in_charset(file.name, charset), "content_type": without_nul(file.content_type)}
    return shown | media_types.binary(file.content)
