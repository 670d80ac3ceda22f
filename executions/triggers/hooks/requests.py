"""A request to /hooks/ from its arrival to its response."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from django.http import HttpRequest

from executions.lifecycle.concurrency_keys import ConcurrencyKey
from executions.nodes.http.hook_responses import FixedResponse
from executions.triggers.hooks.listeners import Listener
from executions.triggers.hooks.spooled_bodies import SpooledBody
from executions.triggers.path_parameters import requested
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.logs import context_fields
from workflow_platform.core.outbound.addresses import IPAddress


def requested_path(request: HttpRequest, path: str) -> str:
    """Return the path after /hooks/ or /hooks/test/ by which a listener is found; `path` is the decoded one."""
    raw = getattr(request, "scope", {}).get("raw_path") or b""
    for prefix in ("/hooks/test/", "/hooks/"):
        rest = raw.decode("latin-1").removeprefix(prefix)
        if len(rest) < len(raw) and unquote(rest) == path:
            return requested(path, rest)
    return requested(path, None)


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request as it arrived. `unread` is (status, detail) if its body was not read."""

    method: str
    path: str
    requested_path: str
    """The path that tells its listener: a slash inside a part is escaped, see `path_parameters`."""
    headers: dict[str, str]
    """Names in lower case."""
    query_string: bytes
    body: bytes
    """Empty if it is `spooled`."""
    address: IPAddress | None
    received_at: datetime
    test: bool = False
    unread: tuple[int, str] | None = None
    body_bytes: int = 0
    spooled: SpooledBody | None = None

    def redacted(self) -> HookRequest:
        """Return the request without its body and without headers that may be secret."""
        kind = {name: value for name, value in self.headers.items() if name == "content-type"}
        size = max(len(self.body), self.body_bytes)
        return replace(self, headers=kind, query_string=b"", body=b"", body_bytes=size, spooled=None)


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that starts no execution. The caller sees `detail`; only members of the workspace see `reason`."""

    status: int
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request that starts no execution and still gets a successful response."""

    body: dict[str, Any]
    reason: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """A request that may start the workflow with this item."""

    item: dict[str, Any]
    message_id: str = ""
    unpacked_bytes: int = 0
    """The size of its body after unpacking, if it was compressed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the verification. `proving` are the headers that authenticate the caller; they are never shown."""

    outcome: RefusedRequest | AnsweredRequest | AcceptedRequest
    proving: frozenset[str] = frozenset()
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request whose execution exists: new, or from an earlier copy of the message (`duplicate`). `respond` says when
    the response is sent; `id` is the id of the request's row."""

    id: UUID
    execution_id: UUID
    respond: str
    duplicate: bool = False
    default_response: FixedResponse = field(default_factory=FixedResponse)
    """The response if the workflow should give one and does not."""
    headers: dict[str, str] = field(default_factory=dict)


Outcome = Accepted | AnsweredRequest | RefusedRequest
_NOT_YET = RefusedRequest(503, "The request was not processed. Send it again.")


@dataclass(slots=True)
class PendingRequest:
    """A request that waits for its outcome."""

    request: HookRequest
    answer: Future[Outcome] = field(default_factory=Future)
    id: UUID = field(default_factory=uuid7)
    """The id of the request's row, and of the execution that it starts."""
    listener: Listener | None = None
    verdict: Verdict = field(default_factory=lambda: Verdict(_NOT_YET))
    outcome: Outcome = _NOT_YET
    verified: bool = False
    """Whether the request is verified: one that returns with its key is not counted twice."""
    files: Collection[UUID] | None = None
    """Its stored files; None before they are stored."""
    key: ConcurrencyKey | None = None
    """The concurrency key of the execution."""
    key_deadline: float = 0.0
    """The deadline (`time.monotonic`) for the evaluation of its key."""
    away: bool = False
    """Its files are being stored, or its key evaluated, in another thread, which queues it again afterwards."""
    log_fields: Mapping[str, Any] = field(default_factory=context_fields)
    """The request id, for log lines that the intake's thread writes about it."""

    def refuse(self, refusal: RefusedRequest) -> None:
        """Start no execution."""
        self.verdict = replace(self.verdict, outcome=refusal)
        self.outcome = refusal
