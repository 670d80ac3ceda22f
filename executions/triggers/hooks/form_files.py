"""Reads a large form a piece at a time: its files go to the store, and its fields into the item."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import ExitStack
from io import BytesIO
from typing import Any, cast
from uuid import UUID

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, StopFutureHandlers
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from executions.binaries import BinaryWriter
from executions.domain.binaries import FileOfItem
from executions.triggers.hooks.spooled_bodies import SpooledBody
from webhooks.inbound.bodies import BadBody, first_or_all, in_charset
from workflow_platform.core.content.charsets import split_content_type

MAX_FILE_BYTES, MAX_FILES_BYTES = 2**20, 4 * 2**20
"""Files of up to these sizes, one and all, are also in the item, as Base64."""
_UNREADABLE = "The multipart form cannot be read: "


class _StoredFile:
    """A file of the form after it is stored. `content` is kept if it is small, for the item."""

    def __init__(self, file: FileOfItem, content: bytes | None) -> None:
        self.file, self.content, self.size = file, content, file.size

    def close(self) -> None:
        """Do nothing; the parser calls it when a form is malformed."""


class _Storing(FileUploadHandler):
    """Writes each file to the store while the form is parsed."""

    def __init__(self, workspace: UUID, writers: ExitStack, form_charset: str) -> None:
        super().__init__()
        self._workspace, self._writers, self._form_charset = workspace, writers, form_charset
        self._left = MAX_FILES_BYTES
        self._kept: bytearray | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        type_ = self.content_type or ""
        charset = (self.content_type_extra or {}).get("charset")  # as bytes
        if isinstance(charset, bytes) and charset.isascii():
            type_ = f"{type_}; charset={charset.decode()}"
        name = in_charset(self.file_name or "", self._form_charset)
        self._writer = self._writers.enter_context(BinaryWriter(self._workspace, name, type_))
        self._kept = bytearray()
        raise StopFutureHandlers

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._writer.write(raw_data)
        if self._kept is not None:
            self._kept += raw_data
            if len(self._kept) > min(MAX_FILE_BYTES, self._left):
                self._kept = None

    def file_complete(self, file_size: int) -> Any:
        content = None if self._kept is None else bytes(self._kept)
        self._kept = None
        self._left -= len(content or b"")
        return _StoredFile(self._writer.complete(), content)


def read_form(workspace: UUID, content_type: str, body: SpooledBody) -> tuple[dict[str, Any], dict[str, FileOfItem]]:
    """Store the files of a form. Returns its fields and files as a body of an item, and the files by key. Raises
    BinaryLimitExceeded, BadBody."""
    body.file.seek(0)
    _, charset = split_content_type(content_type)
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": body.size}
    with ExitStack() as writers:
        handler = _Storing(workspace, writers, charset)
        try:
            fields, uploads = MultiPartParser(meta, cast("BytesIO", body.file), [handler], "latin-1").parse()
        except (MultiPartParserError, SuspiciousOperation) as error:
            raise BadBody(f"{_UNREADABLE}{error}") from None
        except (ValueError, LookupError):
            raise BadBody(f"{_UNREADABLE}its parts are malformed.") from None
    values: dict[str, list[Any]] = {
        in_charset(name, charset): [in_charset(str(each), charset) for each in listed]
        for name, listed in fields.lists()
    }
    files = dict[str, FileOfItem]()
    for name, listed in uploads.lists():
        field = in_charset(name, charset)
        for upload in listed:
            key = new_key(files, field)
            files[key] = upload.file
            values.setdefault(field, []).append(_shown(upload, key))
    return first_or_all(values), files


def new_key(files: Mapping[str, FileOfItem], name: str) -> str:
    """Return the key for a file of a field: its name, with a number if the field has several."""
    key, number = name, 1
    while key in files:
        key, number = f"{name}_{number}", number + 1
    return key


def _shown(upload: _StoredFile, key: str) -> dict[str, Any]:
    file = upload.file
    shown = {"filename": file.name, "content_type": file.media_type, "size": file.size, "binary": key}
    return shown if upload.content is None else shown | {"base64": base64.b64encode(upload.content).decode()}
