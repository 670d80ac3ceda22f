"""A request to /hooks/ on its way from the socket to its answer."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from executions.lifecycle.keys import Key
from executions.triggers.hooks.listeners import Listener
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.logs import context_fields
from workflow_platform.core.outbound.addresses import IPAddress


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request, as it came. `unread` is (status, detail) where its body was not taken at all."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    query_string: bytes
    body: bytes
    address: IPAddress | None
    received_at: datetime
    test: bool = False
    unread: tuple[int, str] | None = None
    body_bytes: int = 0

    def bare(self) -> HookRequest:
        """Return it without its body, and without what may be secret."""
        kind = {name: value for name, value in self.headers.items() if name == "content-type"}
        size = max(len(self.body), self.body_bytes)
        return replace(self, headers=kind, query_string=b"", body=b"", body_bytes=size)


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """It starts nothing. The caller gets `detail`; `reason` is for those whose workflow it is."""

    status: int
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """It starts nothing and is answered all the same."""

    body: dict[str, Any]
    reason: str = ""
    status: int = 200


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """It may start the workflow with this item."""

    item: dict[str, Any]
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it, and the headers that prove who called, which nobody gets to see."""

    outcome: RefusedRequest | Answered | AcceptedRequest
    proving: frozenset[str] = frozenset()
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An execution was created, or had been for the same message before; `respond` says when the caller is
    answered. `id` is that of the request's row."""

    id: UUID
    execution_id: UUID
    respond: str
    duplicate: bool = False


Outcome = Accepted | Answered | RefusedRequest
_NOT_YET = RefusedRequest(503, "Nobody has looked at the request.")


@dataclass(slots=True)
class PendingRequest:
    """A request on its way to its answer."""

    request: HookRequest
    answer: Future[Outcome] = field(default_factory=Future)
    id: UUID = field(default_factory=uuid7)
    """Of its row; of the execution that it starts, too: one id leads to the other."""
    listener: Listener | None = None
    judged: Verdict = field(default_factory=lambda: Verdict(_NOT_YET))
    outcome: Outcome = _NOT_YET
    looked_at: bool = False
    """Judged already: a request that comes back is not counted twice."""
    key: Key | None = None
    """The concurrency key of the execution that it starts."""
    keys_until: float = 0.0
    """Until when (`time.monotonic`) its key is waited for."""
    away: bool = False
    """Its key is being evaluated in another thread, which queues it again afterwards."""
    log_fields: Mapping[str, Any] = field(default_factory=context_fields)
    """The request id, for log lines that the intake's thread writes about it."""
