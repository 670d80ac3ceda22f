"""Requests to /hooks/ become executions: those that come at the same time in one transaction.

One thread of each web process takes what has arrived, finds the triggers, creates the executions and answers each. An
answer means stored: it is given after the commit.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from executions import lifecycle
from executions.lifecycle import CannotStart, NewExecution
from executions.models import Trigger, WebhookRoute, WorkflowVersion

logger = logging.getLogger(__name__)

MAX_AT_ONCE = 200
BUSY = 3
GATHER_SECONDS = 0.003
"""After a batch of BUSY or more, the next one gathers for so long."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An execution was created; `respond` says when the caller is answered."""

    execution_id: UUID
    respond: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was created."""

    status: int
    detail: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    item: dict[str, Any]
    answer: Future[Accepted | Refused] = field(default_factory=Future)


class _Intake:
    def __init__(self) -> None:
        self.requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="hook intake", daemon=True).start()

    def _run(self) -> None:
        busy = False
        while True:
            batch = [self.requests.get()]
            if busy:
                time.sleep(GATHER_SECONDS)
            while len(batch) < MAX_AT_ONCE and not self.requests.empty():
                batch.append(self.requests.get())
            busy = len(batch) >= BUSY
            try:
                self._take(batch)
            except Exception as error:
                logger.exception("%d requests were not taken", len(batch))
                connection.close()
                for request in batch:
                    request.answer.set_exception(error)
            if self.requests.empty():
                connection.close()

    def _take(self, batch: list[_Request]) -> None:
        with transaction.atomic():
            answers = _take(batch)
        for request, answer in zip(batch, answers, strict=True):
            request.answer.set_result(answer)


def _take(batch: Sequence[_Request]) -> list[Accepted | Refused]:
    found = (
        WebhookRoute.objects.select_related("workflow")
        .defer("workflow__description")
        .in_bulk({request.path for request in batch})
    )
    judged = [_judge(request, found.get(request.path)) for request in batch]
    made = iter(lifecycle.create_executions([new for new in judged if isinstance(new, NewExecution)]))
    return [new if isinstance(new, Refused) else _answer(new, next(made)) for new in judged]


def _judge(request: _Request, route: WebhookRoute | None) -> NewExecution | Refused:
    if route is None or route.workflow.latest_version_id is None:
        return Refused(404, "No active workflow listens here.")
    version = _version(route.workflow.latest_version_id)
    parameters = _parameters(version, route.node_id)
    methods = parameters.get("methods", ["POST"])
    if request.method not in methods:
        allowed = ", ".join(methods)
        return Refused(405, f"This webhook takes {allowed}.", {"Allow": allowed})
    return NewExecution(
        workflow=route.workflow,
        version=version,
        trigger=Trigger.WEBHOOK,
        input=[request.item],
        trigger_node=route.node_id,
        awaited=parameters.get("respond", "immediately") != "immediately",
    )


def _answer(new: NewExecution, made: Any) -> Accepted | Refused:
    if isinstance(made, CannotStart):
        return Refused(409, str(made))
    assert new.version is not None
    assert new.trigger_node is not None
    return Accepted(made.pk, _parameters(new.version, new.trigger_node).get("respond", "immediately"))


def _parameters(version: WorkflowVersion, node_id: str) -> dict[str, Any]:
    return next((dict(n["parameters"]) for n in version.nodes if n["id"] == node_id), {})


@lru_cache(maxsize=256)
def _version(version_id: UUID) -> WorkflowVersion:
    """Return a version from memory: it never changes."""
    return WorkflowVersion.objects.get(pk=version_id)


_intake: _Intake | None = None
_starting = threading.Lock()


def submit(method: str, path: str, item: dict[str, Any]) -> Future[Accepted | Refused]:
    """Hand in a request; the future is done when what follows from it is committed."""
    global _intake
    with _starting:
        if _intake is None:
            _intake = _Intake()
    request = _Request(method, path, item)
    _intake.requests.put(request)
    return request.answer
