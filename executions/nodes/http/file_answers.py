"""Answers that are files: they go to the store while they are received."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from email.message import Message
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from executions.domain.binaries import FileOfItem, with_files
from executions.domain.items import Item
from executions.nodes.base import NodeContext
from executions.nodes.file_access import FileWriter
from executions.nodes.http.answers import headers_of, item_of
from workflow_platform.core import outbound
from workflow_platform.core.content import media_types
from workflow_platform.core.content.charsets import split_content_type, without_nul

ResponseForm = Literal["auto", "file", "value"]
MAX_BASE64 = 2**20
"""Up to this size the content of a file is also in the body, as Base64, for expressions."""
MAX_SNIFFED = 10 * 2**20
"""Up to this size a body whose type can be text or not is read, to find out."""


class AnswerFile:
    """Receives the body of an answer that may be a file. Use it in a `with` block."""

    def __init__(self, context: NodeContext[Any], form: ResponseForm, url: str) -> None:
        self._context, self._form, self._url = context, form, url
        self._open = ExitStack()
        self._start()

    def _start(self) -> None:
        self._writer: FileWriter | None = None
        self._held = bytearray()
        self._headers: Mapping[str, str] = {}
        self._is_file = self._received = False
        self.size = 0

    def __enter__(self) -> AnswerFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def receive(self, status: int, headers: Mapping[str, str]) -> outbound.BodySink | None:
        """Take the body of a successful answer, unless its type says that it is text or JSON."""
        media_type, charset = split_content_type(headers.get("content-type", ""))
        is_value = media_types.is_text(media_type) or bool(charset) or "json" in media_type
        if not 200 <= status < 300 or self._form == "value" or (is_value and self._form == "auto"):
            return None
        self._open.close()
        self._start()
        self._received, self._headers = True, headers
        self._is_file = self._form == "file" or media_types.is_bytes(media_type)
        return self

    def write(self, data: bytes, /) -> None:
        """Add to the body: in memory, until it is too large for that."""
        self.size += len(data)
        if self._writer is None:
            self._held += data
            if len(self._held) > (MAX_BASE64 if self._is_file else MAX_SNIFFED):
                self._spill()
        else:
            self._writer.write(data)

    def body_of(self, response: outbound.OutboundResponse) -> tuple[bytes, int]:
        """Return the body if it is in memory, else its size."""
        if not self._received:
            return response.body, 0
        return (bytes(self._held), 0) if self._writer is None else (b"", self.size)

    def item(self, response: outbound.OutboundResponse, key: str, *, packed: bool) -> Item:
        """Return the answer as an item, with the file under the key if it is one; `packed` as in `item_of`. Raises
        NodeError."""
        if self._received:
            content = bytes(self._held) if self._writer is None else None
        else:
            content, self._headers = response.body, response.headers
            self._is_file = self._is_unpacked_file(response)
        if content is not None and not self._is_file and _is_value(content):
            return item_of(self._context, replace(response, body=content), packed=packed)
        if not self._received and not self._is_file:
            return item_of(self._context, response, packed=packed)
        file = self._stored(content)
        content_type = response.headers.get("content-type", "")
        if content is not None and len(content) <= MAX_BASE64:
            body = media_types.binary(content)
        else:
            body = {"size": file.size, "content_type": without_nul(content_type), "binary": key}
        item = {"status": response.status, "headers": headers_of(response.fields), "body": body}
        return with_files(item, {key: file})

    def _is_unpacked_file(self, response: outbound.OutboundResponse) -> bool:
        """Return whether an answer that was compressed on the way, and is in memory therefore, is a file."""
        media_type, charset = split_content_type(response.headers.get("content-type", ""))
        if self._form == "value" or not 200 <= response.status < 300 or not response.body:
            return False
        if self._form == "file" or media_types.is_bytes(media_type):
            return True
        return not (media_types.is_text(media_type) or charset or _is_value(response.body))

    def _spill(self) -> None:
        name = _file_name(self._headers, self._url)
        self._writer = self._open.enter_context(self._context.files.create(name, self._headers.get("content-type", "")))
        self._writer.write(bytes(self._held))
        self._held.clear()

    def _stored(self, content: bytes | None) -> FileOfItem:
        if content is not None:
            self._held = bytearray(content)
            self._spill()
        assert self._writer is not None
        return self._writer.complete()


def _is_value(content: bytes) -> bool:
    """Return whether a body whose type says nothing is text."""
    if b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _file_name(headers: Mapping[str, str], url: str) -> str:
    """Return the name in Content-Disposition (RFC 6266), else the last part of the URL's path, with an ending."""
    message = Message()
    message["Content-Disposition"] = headers.get("content-disposition", "").replace("\r", " ").replace("\n", " ")
    try:
        name = message.get_filename("")
    except (ValueError, TypeError, LookupError):
        name = ""
    name = name or unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]) or "file"
    media_type, _ = split_content_type(headers.get("content-type", ""))
    return name if "." in name else name + (mimetypes.guess_extension(media_type) or "")
