"""Builds the body of a request from the parameter `body` and the header Content-Type."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from executions.domain.binaries import file_in
from executions.domain.errors import NodeError
from executions.nodes.file_access import FileReader, FileStore
from executions.nodes.http.texts import ListFormat, encoded, text_of
from workflow_platform.core import exact_json
from workflow_platform.core.content.charsets import codec, split_content_type
from workflow_platform.core.content.media_types import is_json
from workflow_platform.core.outbound import OutboundBody

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;[^\x00-\x1f\x7f]*)?", re.ASCII)


Body = bytes | OutboundBody


def file_body(file: FileReader, headers: dict[str, str]) -> tuple[OutboundBody, dict[str, str]]:
    """Return a file as the body, and the headers with its media type unless they name another."""
    if not any(name.lower() == "content-type" for name in headers):
        headers = headers | {"Content-Type": file.media_type}
    return OutboundBody(file.size, file.chunks), headers


def build_body(
    body: Any, headers: dict[str, str], lists: ListFormat, files: FileStore
) -> tuple[Body | None, dict[str, str]]:
    """Return the body, and the headers with a Content-Type that matches. Raises NodeError.

    Text is sent as it is. An object is a form if the Content-Type is that of a form, the bytes of its field `base64`
    if the Content-Type is not JSON, else JSON.
    """
    if body is None:
        return None, headers
    name = next((each for each in headers if each.lower() == "content-type"), "Content-Type")
    content_type = headers.get(name, "")
    media_type, charset = split_content_type(content_type)
    if isinstance(body, str):
        return _text(body, charset), headers
    if isinstance(body, dict):
        if media_type == FORM:
            return encoded(body, lists).encode(), headers
        if media_type == MULTIPART:
            boundary = secrets.token_hex(16)
            content = _joined(list(_multipart(body, boundary.encode(), files)))
            return content, headers | {name: f"{MULTIPART}; boundary={boundary}"}
        if media_type and not is_json(media_type) and isinstance(body.get("base64"), str):
            return _bytes(body["base64"], "parameters.body"), headers
    return exact_json.write(body), headers if content_type else headers | {name: "application/json"}


def _text(text: str, charset: str) -> bytes:
    if not codec(charset):
        return text.encode(errors="replace")
    try:
        return text.encode(charset)
    except UnicodeEncodeError as error:
        wrong = text[error.start : error.start + 1]
        raise NodeError(
            f"parameters.body: the charset {charset} of the Content-Type does not have the character {wrong!r}."
            " Use charset=utf-8."
        ) from None


def _joined(parts: list[bytes | FileReader]) -> Body:
    """Return the parts as one body, which is read while it is sent if files are among them."""
    whole = [part for part in parts if isinstance(part, bytes)]
    if len(whole) == len(parts):
        return b"".join(whole)

    def pieces() -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from part.chunks()

    return OutboundBody(sum(len(part) if isinstance(part, bytes) else part.size for part in parts), pieces)


def _multipart(fields: dict[str, Any], boundary: bytes, files: FileStore) -> Iterator[bytes | FileReader]:
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                head, content = _part(name, each, files)
                yield b"--" + boundary + b"\r\n" + head.encode(errors="replace") + b"\r\n\r\n"
                yield content
                yield b"\r\n"
    yield b"--" + boundary + b"--\r\n"


def _part(name: str, value: Any, files: FileStore) -> tuple[str, bytes | FileReader]:
    """Return the headers and the content of a part: a file, or the text of any other value."""
    head = f'Content-Disposition: form-data; name="{_quoted(name)}"'
    if isinstance(value, dict) and (file := file_in(value)) is not None:
        reader = files.open(file)
        return f'{head}; filename="{_quoted(reader.name)}"\r\nContent-Type: {reader.media_type}', reader
    if not (isinstance(value, dict) and isinstance(value.get("base64"), str)):
        return head, text_of(value).encode(errors="replace")
    where = f"parameters.body.{name}"
    content_type = str(value.get("content_type") or "application/octet-stream")
    if not _TYPE.fullmatch(content_type):
        raise NodeError(f"{where}.content_type: must be a media type such as image/png, not {content_type[:100]!r}.")
    filename = str(value.get("filename") or "file")
    head += f'; filename="{_quoted(filename)}"\r\nContent-Type: {content_type}'
    return head, _bytes(value["base64"], where)


def _quoted(text: str) -> str:
    """Escape what would end a quoted name, as browsers do."""
    return re.sub(r'["\r\n]', lambda match: quote(match[0]), text)


def _bytes(text: str, where: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise NodeError(f"{where}.base64: the text is not Base64.") from None
