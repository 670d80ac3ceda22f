"""Requests to /hooks/ become executions: those that come at the same time in one transaction.

One thread of each web process takes what has arrived, finds the triggers, judges, creates the executions, writes what
is kept of the requests, and answers each. An answer means stored: it is given after the commit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from executions import lifecycle
from executions.lifecycle import CannotStart, NewExecution
from executions.models import Execution, Trigger
from executions.triggers.hooks import records
from executions.triggers.hooks.keys import KeysAhead
from executions.triggers.hooks.listeners import listening, tested
from executions.triggers.hooks.requests import (
    Accepted,
    AcceptedRequest,
    HookRequest,
    Outcome,
    PendingRequest,
    RefusedRequest,
)
from executions.triggers.hooks.secrets import HookSecrets
from executions.triggers.hooks.verification import Verifier
from webhooks.inbound import deduplication, request_log
from workflow_platform.core.batching import BatchThread
from workflow_platform.core.per_process import PerProcess
from workflow_platform.core.postgresql.server import outcome_unknown

logger = logging.getLogger(__name__)

MAX_AT_ONCE = 200
MAX_WAITING, MAX_WAITING_BYTES = 5_000, 256 * 1024 * 1024
"""Requests, and bytes of their bodies, that one process holds; more are sent away."""
BUSY = 3
GATHER_SECONDS = 0.003
"""After a batch of BUSY or more, the next one gathers for so long."""
FULL = RefusedRequest(503, "Too many requests wait at the moment.", {"Retry-After": "2"})
NOT_STORED = RefusedRequest(503, "The request could not be stored; send it again.", {"Retry-After": "5"})
NOT_CONFIRMED = RefusedRequest(
    503,
    "The database did not confirm that the request was stored. Send it again: a message id that was stored is not taken"
    " twice.",
    {"Retry-After": "5"},
)
_UNAVAILABLE = (OperationalError, InterfaceError)
MOST_TURNED_AWAY = 500
NOTE_SECONDS = 0.25
"""What a caller was answered is noted with the next requests, or by itself after so long."""


class _TurnedAway:
    """Requests that were not taken in, or could not be stored, until they can be logged; how they are spread over paths
    and addresses is known of the first MOST_TURNED_AWAY, how many they are of all."""

    def __init__(self) -> None:
        self._requests: list[PendingRequest] = []
        self._more, self._lock = 0, threading.Lock()

    def add(self, waiting: PendingRequest, outcome: RefusedRequest) -> None:
        """Remember a request, without what is large or may be secret. Any thread may."""
        with self._lock:
            if len(self._requests) < MOST_TURNED_AWAY:
                self._requests.append(PendingRequest(waiting.request.bare(), outcome=outcome))
            else:
                self._more += 1

    def __bool__(self) -> bool:
        return bool(self._requests)

    def leave_out_of(self, refusals: request_log.Refusals, now: float) -> None:
        """Have them counted among the refusals that are not listed singly. Raises what the database raises."""
        with self._lock:
            requests = list(self._requests)
        found = listening({each.request.path for each in requests if not each.request.test})
        with self._lock:
            del self._requests[: len(requests)]
            more, self._more = self._more, 0
        for place, each in enumerate(requests):
            each.listener = None if each.request.test else found.get(each.request.path)
            refusals.leave_out(records.kept(each), now, 1 if place else 1 + more)


class _Intake:
    def __init__(self) -> None:
        self._bytes, self._counting = 0, threading.Lock()
        self._answers: dict[UUID, int] = {}
        self._judge, self._secrets, self._refusals = Verifier(), HookSecrets(), request_log.Refusals()
        self._turned_away = _TurnedAway()
        self._keys = KeysAhead(self._put_back)
        self._answers_due: float | None = None
        self._refusals_due: float | None = None
        self._requests: BatchThread[PendingRequest] = BatchThread(
            "hook intake",
            self._flush,
            self._failed,
            max_items=MAX_AT_ONCE,
            max_queued=MAX_WAITING,
            busy_items=BUSY,
            gather_seconds=GATHER_SECONDS,
            isolate=lambda error: not isinstance(error, _UNAVAILABLE),
            due=self._due,
            idle=connection.close,
        )

    def put(self, waiting: PendingRequest) -> bool:
        """Queue a request. Returns False if too many requests, or bytes, are queued."""
        size = len(waiting.request.body)
        with self._counting:
            if self._bytes + size > MAX_WAITING_BYTES or not self._requests.put(waiting):
                self._turned_away.add(waiting, FULL)
                return False
            self._bytes += size
        waiting.answer.add_done_callback(lambda _: self._release(size))
        return True

    def note(self, request_id: UUID, status: int) -> None:
        """Write the final status that the caller of a request received into the request's row, soon."""
        with self._counting:
            self._answers[request_id] = status
            if self._answers_due is None:
                self._answers_due = time.monotonic() + NOTE_SECONDS
        self._requests.wake()

    def _put_back(self, waiting: PendingRequest) -> None:
        waiting.away = False
        self._requests.put_back(waiting)

    def _release(self, size: int) -> None:
        with self._counting:
            self._bytes -= size

    def _due(self) -> float | None:
        """Return when rows are to be written although no request arrives."""
        return min((at for at in (self._answers_due, self._refusals_due) if at is not None), default=None)

    def _flush(self, batch: Sequence[PendingRequest]) -> None:
        with self._counting:
            self._answers_due = None
        try:
            self._take([each for each in batch if not (each.answer.done() or each.away)])
        finally:
            unwritten = self._refusals.waiting or self._turned_away or self._answers
            self._refusals_due = time.monotonic() + request_log.TELL_AFTER_SECONDS if unwritten else None

    def _failed(self, batch: Sequence[PendingRequest], error: Exception) -> None:
        """Answer the requests of a batch that was not stored."""
        unavailable = isinstance(error, _UNAVAILABLE)
        status = 503 if unavailable else 500
        logger.error(
            "%d webhook requests not stored: %s; answered %d",
            len(batch),
            error,
            status,
            exc_info=None if unavailable else error,
            extra=dict(batch[0].log_fields if len(batch) == 1 else {}) | {"count": len(batch), "status_code": status},
        )
        connection.close()
        for each in batch:
            if each.answer.done() or each.away:
                continue
            if unavailable:
                refused = NOT_CONFIRMED if outcome_unknown(error) else NOT_STORED
                self._turned_away.add(each, refused)
                each.answer.set_result(refused)
            else:
                each.answer.set_exception(error)

    def _take(self, batch: Sequence[PendingRequest]) -> None:
        self._look_at([each for each in batch if not each.looked_at])
        tests = [each for each in batch if each.request.test and each.listener is not None]
        others = [each for each in batch if not (each.request.test and each.listener is not None)]
        others = [each for each in others if not self._keys.take(each)]
        refused = [records.kept(each) for each in others if isinstance(each.judged.outcome, RefusedRequest)]
        now = time.monotonic()
        if self._turned_away:
            self._turned_away.leave_out_of(self._refusals, now)
        rows = [*self._refusals.choose(refused, now), *self._refusals.told(now)]
        taken = [each for each in others if not isinstance(each.judged.outcome, RefusedRequest)]
        with self._counting:
            answers = dict(self._answers)
        if taken or rows or answers:
            with transaction.atomic():
                _start(taken)
                request_log.write([*rows, *(records.kept(each) for each in taken)])
                request_log.note_answers(answers)
            with self._counting:
                for request_id in answers:
                    del self._answers[request_id]
        _answer(others)
        if tests:
            self._show(tests, now)
            _answer(tests)

    def _look_at(self, batch: Sequence[PendingRequest]) -> None:
        """Find who listens to each, and judge it."""
        found = listening({each.request.path for each in batch if not each.request.test})
        of_tests = {path: tested(path) for path in {each.request.path for each in batch if each.request.test}}
        for each in batch:
            each.listener = (of_tests if each.request.test else found).get(each.request.path)
        listeners = [each.listener for each in batch if each.listener is not None]
        secrets = self._secrets.look_up({reference for found in listeners for reference in found.credentials})
        for each in batch:
            each.judged = self._judge.judge(each.request, each.listener, secrets)
            each.looked_at = True
            if not isinstance(each.judged.outcome, AcceptedRequest):
                each.outcome = each.judged.outcome

    def _show(self, tests: Sequence[PendingRequest], now: float) -> None:
        """Write what came to test URLs, with an event for those who look at the workflow's page."""
        for each in tests:
            if not isinstance(each.judged.outcome, RefusedRequest):
                each.outcome = records.answer_to_test(each)
        kept = [records.kept(each) for each in tests]
        chosen = self._refusals.choose([row for row in kept if not row.accepted], now)
        shown = {row.id for row in kept if row.accepted} | {row.id for row in chosen}
        with transaction.atomic():
            request_log.write(row for row in kept if row.id in shown)
            records.tell([each for each in tests if each.id in shown])


def _answer(batch: Sequence[PendingRequest]) -> None:
    for each in batch:
        each.answer.set_result(each.outcome)


def _start(taken: Sequence[PendingRequest]) -> None:
    """Create the executions, but for repetitions; inside the caller's transaction."""
    starting = [each for each in taken if isinstance(each.judged.outcome, AcceptedRequest)]
    named = {each.id: message for each in starting if (message := _message(each)) is not None}
    first = deduplication.claim({message: each for each, message in reversed(named.items())})
    earlier = {each: first[message] for each, message in named.items() if first.get(message, each) != each}
    fresh = [each for each in starting if each.id not in earlier]
    made = lifecycle.create_executions([_new(each) for each in fresh]) if fresh else []
    for each, execution in zip(fresh, made, strict=True):
        each.outcome = _begun(each, execution)
    failed = {each.id: each.outcome for each in fresh if isinstance(each.outcome, RefusedRequest)}
    deduplication.forget([named[each] for each in failed if each in named])
    for each in starting:
        if (execution_id := earlier.get(each.id)) is not None:
            each.outcome = failed.get(execution_id) or Accepted(each.id, execution_id, _respond(each), duplicate=True)


def _message(each: PendingRequest) -> deduplication.Message | None:
    """Return what tells repetitions: of this trigger, since its path may have been, or become, that of another one."""
    assert each.listener is not None
    trigger = f"{each.listener.workflow.pk}/{each.listener.node_id}"
    return (trigger, each.judged.message_id) if each.judged.message_id else None


def _new(each: PendingRequest) -> NewExecution:
    assert each.listener is not None
    assert isinstance(each.judged.outcome, AcceptedRequest)
    return NewExecution(
        workflow=each.listener.workflow,
        version=each.listener.version,
        trigger=Trigger.WEBHOOK,
        input=[each.judged.outcome.item],
        trigger_node=each.listener.node_id,
        awaited=_respond(each) != "immediately",
        id=each.id,
        key=each.key,
    )


def _begun(each: PendingRequest, made: Execution | CannotStart) -> Accepted | RefusedRequest:
    if isinstance(made, CannotStart):
        return RefusedRequest(409, str(made))
    return Accepted(each.id, made.pk, _respond(each))


def _respond(each: PendingRequest) -> str:
    parameters = each.listener.parameters if each.listener else None
    return parameters.respond if parameters else "immediately"


_intake = PerProcess(_Intake)


def submit(request: HookRequest) -> Future[Outcome]:
    """Hand in a request; the future is done when what follows from it is committed."""
    waiting = PendingRequest(request)
    if not _intake().put(waiting):
        waiting.answer.set_result(FULL)
    return waiting.answer


def note_answer(request_id: UUID, status: int) -> None:
    """Have the log say what the caller of an accepted request was answered, where that was not at once."""
    _intake().note(request_id, status)
