"""Large bodies of requests to /hooks/, in a temporary file of this process instead of its memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from django.conf import settings
from django.http import HttpRequest

from workflow_platform.core.content.charsets import split_content_type
from workflow_platform.core.content.media_types import JSON_LINES, is_json
from workflow_platform.core.requests.request_bodies import SMALL_BODY_BYTES, Room

PIECE = 256 * 1024
FORM_OVERHEAD = 2**20
"""Bytes of a form beside its files."""
STREAMING_SCHEMES = frozenset({"none", "basic", "bearer", "header", "hmac"})
"""Authentication schemes that do not need the whole body at once."""
room = Room(lambda: settings.HOOK_FILES_MAX_BYTES)
"""The temporary files of this process."""


@dataclass(frozen=True, slots=True)
class SpooledBody:
    """The body of a request. Only one thread at a time reads it."""

    file: IO[bytes]
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Yield the body from its beginning."""
        self.file.seek(0)
        while piece := self.file.read(PIECE):
            yield piece


def content_of(scope: Mapping[str, Any]) -> IO[bytes]:
    """Return an empty file for the body of a request to /hooks/."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    if scope["path"].startswith("/hooks/resume/") or b"content-encoding" in headers:
        return BytesIO()  # a compressed body is unpacked in memory, within the general limit
    if not _may_be_spooled(headers.get(b"content-type", "")):
        return BytesIO()
    return cast("IO[bytes]", SpooledTemporaryFile(SMALL_BODY_BYTES))


def _may_be_spooled(content_type: str) -> bool:
    """Return whether a body of this type can be a file, or a form with files: JSON and simple forms are parsed as a
    whole."""
    kind, _ = split_content_type(content_type)
    return not (is_json(kind) or kind in JSON_LINES or kind == "application/x-www-form-urlencoded")


def largest_body(request: HttpRequest) -> int | None:
    """Return the largest body that a request may have; None for the general limit."""
    general = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if general is None or not isinstance(_stream(request), SpooledTemporaryFile):
        return None
    return max(general, settings.BINARY_MAX_BYTES + FORM_OVERHEAD)


def spooled_body(request: HttpRequest) -> SpooledBody | None:
    """Return the body if it exceeds the general limit and must not be read into memory."""
    stream = _stream(request)
    if not isinstance(stream, SpooledTemporaryFile):
        return None
    size = stream.seek(0, 2)
    stream.seek(0)
    general = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return SpooledBody(cast("IO[bytes]", stream), size) if general is not None and size > general else None


def _stream(request: HttpRequest) -> Any:
    return getattr(request, "_stream", None)
