"""Stores the files of requests to /hooks/ before their executions are created, without blocking the intake.

The files of a form are those of its fields; any other body that is no text and no JSON is one file. What does not start
an execution in the end, such as a duplicate, leaves files without uses, which the sweep deletes.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from executions.binaries import BinaryLimitExceeded, BinaryWriter
from executions.domain.binaries import DEFAULT_KEY, FileOfItem, with_files
from executions.triggers.hooks.form_files import new_key, read_form
from executions.triggers.hooks.requests import AcceptedRequest, HookRequest, PendingRequest, RefusedRequest
from webhooks.inbound.bodies import BadBody
from workflow_platform.core.content.charsets import split_content_type, without_nul
from workflow_platform.core.content.media_types import is_json
from workflow_platform.core.sandbox.batching import Batches

logger = logging.getLogger(__name__)

MAX_WAITING = 100
"""Requests of one workspace that wait for their files to be stored."""
BUSY = RefusedRequest(
    429, f"{MAX_WAITING} requests with files of this workspace are being stored. Send the request again later.",
    {"Retry-After": "5"},
)  # fmt: skip
FAILED = RefusedRequest(503, "The files of the request were not stored. Send it again.", {"Retry-After": "5"})
FORM = "multipart/form-data"


class FilesAhead:
    """Stores files. Passes each request to `done` with its files, or refused; `done` is called in other threads."""

    def __init__(self, done: Callable[[PendingRequest], None]) -> None:
        self._done = done
        self._batches: Batches[PendingRequest] = Batches("files of requests", 1, self._store, self._fail)

    def take(self, pending: PendingRequest) -> bool:
        """Accept a request with files that are not stored yet. False if it has none, or is refused."""
        outcome = pending.verdict.outcome
        if pending.listener is None or pending.files is not None or not isinstance(outcome, AcceptedRequest):
            return False
        if not _has_files(pending.request, outcome.item["body"]):
            pending.files = ()
            return False
        pending.away = True
        if self._batches.put(str(pending.listener.workflow.workspace_id), pending, MAX_WAITING):
            return True
        pending.away = False
        pending.refuse(BUSY)
        return False

    def _store(self, workspace: str, batch: Sequence[PendingRequest]) -> Sequence[PendingRequest]:
        (pending,) = batch
        outcome = pending.verdict.outcome
        assert isinstance(outcome, AcceptedRequest)
        if pending.answer.done():  # the caller has gone, and with it the temporary file
            return []
        try:
            body, files = _stored(UUID(workspace), pending.request, outcome.item["body"])
        except BinaryLimitExceeded as error:
            pending.refuse(RefusedRequest(413, str(error)))
        except BadBody as error:
            pending.refuse(RefusedRequest(400, str(error)))
        except (ValueError, DatabaseError, InterfaceError) as error:  # ValueError: the file was closed meanwhile
            logger.warning("files of a request not stored: %s; answered 503", error, extra=dict(pending.log_fields))
            pending.refuse(FAILED)
        else:
            item = with_files({**outcome.item, "body": body}, files)
            pending.verdict = replace(pending.verdict, outcome=replace(outcome, item=item))
            pending.files = [file.reference for file in files.values()]
        finally:
            connection.close()
        self._done(pending)
        return []

    def _fail(self, batch: Sequence[PendingRequest]) -> None:
        for pending in batch:
            pending.refuse(FAILED)
            self._done(pending)


def _has_files(request: HookRequest, body: Any) -> bool:
    if request.spooled is not None:
        return True
    if _kind(request) == FORM:
        return isinstance(body, dict) and any(_is_file(each) for values in body.values() for each in _listed(values))
    return _is_bytes(request, body)


def _stored(workspace: UUID, request: HookRequest, body: Any) -> tuple[Any, dict[str, FileOfItem]]:
    """Store the files. Returns the body of the item, and its files by key. Raises BinaryLimitExceeded, BadBody."""
    content_type = without_nul(request.headers.get("content-type", ""))
    if _kind(request) == FORM:
        if request.spooled is not None:
            return read_form(workspace, content_type, request.spooled)
        return _store_parsed(workspace, body)
    pieces: Iterable[bytes]
    # What is in memory was unpacked, if it came compressed.
    pieces = [base64.b64decode(body["base64"])] if request.spooled is None else request.spooled.pieces()
    with BinaryWriter(workspace, _name(request), content_type) as file:
        for piece in pieces:
            file.write(piece)
        stored = file.complete()
    if request.spooled is not None:
        body = {"size": stored.size, "content_type": content_type, "binary": DEFAULT_KEY}
    return body, {DEFAULT_KEY: stored}


def _store_parsed(workspace: UUID, fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, FileOfItem]]:
    """Store the files of a small form, which is parsed already."""
    files = dict[str, FileOfItem]()
    shown = dict[str, Any]()
    for name, values in fields.items():
        described = list[Any]()
        for value in _listed(values):
            if _is_file(value):
                content = base64.b64decode(value["base64"])
                with BinaryWriter(workspace, value["filename"], value["content_type"]) as file:
                    file.write(content)
                    key = new_key(files, name)
                    files[key] = file.complete()
                value = value | {"binary": key}
            described.append(value)
        shown[name] = described if isinstance(values, list) else described[0]
    return shown, files


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and "filename" in value and isinstance(value.get("base64"), str)


def _is_bytes(request: HookRequest, body: Any) -> bool:
    """Return whether the body was read as bytes, which no JSON and no form is."""
    kind = _kind(request)
    return (
        isinstance(body, dict)
        and isinstance(body.get("base64"), str)
        and not is_json(kind)
        and kind != "application/x-www-form-urlencoded"
    )


def _kind(request: HookRequest) -> str:
    return split_content_type(request.headers.get("content-type", ""))[0]


def _name(request: HookRequest) -> str:
    """Return the name of a file that is the body: that of Content-Disposition, else the last part of the path."""
    given = request.headers.get("content-disposition", "")
    _, _, name = given.partition("filename=")
    return name.split(";")[0].strip().strip('"') or request.path.rpartition("/")[2]
