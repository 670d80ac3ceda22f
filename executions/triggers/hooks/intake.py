"""Turns requests to /hooks/ into executions, in batches of one transaction each.

One thread of each web process reads the pending requests, finds their triggers, verifies them, creates the executions,
logs the requests, and answers each. It answers after the commit: the caller then knows that the request is stored.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from executions import lifecycle
from executions.lifecycle import CannotStart, NewExecution
from executions.models import Execution, Trigger
from executions.nodes.http.hook_responses import FixedResponse
from executions.triggers.hooks import cors, records
from executions.triggers.hooks.concurrency_keys import KeysAhead
from executions.triggers.hooks.files_ahead import FilesAhead
from executions.triggers.hooks.listeners import listening, tested
from executions.triggers.hooks.requests import (
    Accepted,
    AcceptedRequest,
    AnsweredRequest,
    HookRequest,
    Outcome,
    PendingRequest,
    RefusedRequest,
)
from executions.triggers.hooks.secrets import HookSecrets
from executions.triggers.hooks.unstored import UnstoredRequests
from executions.triggers.hooks.verification import Verifier
from webhooks.inbound import deduplication, request_log
from workflow_platform.core.batching import BatchThread
from workflow_platform.core.per_process import PerProcess
from workflow_platform.core.postgresql.server import outcome_unknown

logger = logging.getLogger(__name__)

MAX_AT_ONCE = 200
MAX_WAITING, MAX_WAITING_BYTES = 5_000, 256 * 1024 * 1024
"""The most pending requests of a process, and bytes of their bodies; further requests are refused."""
BUSY = 3
GATHER_SECONDS = 0.003
"""How long the next batch gathers after a batch of BUSY or more requests."""
FULL = RefusedRequest(503, "Too many requests are pending. Send the request again in 2 s.", {"Retry-After": "2"})
NOT_STORED = RefusedRequest(
    503, "The request was not stored: the database is not available. Send it again.", {"Retry-After": "5"}
)
NOT_CONFIRMED = RefusedRequest(
    503,
    "The database did not confirm that the request was stored. Send it again; a request with the same message id"
    " starts only one execution.",
    {"Retry-After": "5"},
)
_UNAVAILABLE = (OperationalError, InterfaceError)
NOTE_SECONDS = 0.25
"""The longest time until the status of a late response is logged, if no further requests arrive."""


def _close_connection() -> None:
    connection.close()  # that of the calling thread; the bound method would be that of the thread that starts


class _Intake:
    def __init__(self) -> None:
        self._bytes, self._counting = 0, threading.Lock()
        self._answers: dict[UUID, int] = {}
        self._judge, self._secrets, self._refusals = Verifier(), HookSecrets(), request_log.RefusalSampler()
        self._rejected = UnstoredRequests()
        self._files, self._keys = FilesAhead(self._put_back), KeysAhead(self._put_back)
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
            idle=_close_connection,
        )

    def put(self, waiting: PendingRequest) -> bool:
        """Queue a request. Returns False if too many requests, or bytes, are queued."""
        size = len(waiting.request.body)
        with self._counting:
            if self._bytes + size > MAX_WAITING_BYTES or not self._requests.put(waiting):
                self._rejected.add(waiting, FULL)
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
            unwritten = self._refusals.waiting or self._rejected or self._answers
            self._refusals_due = time.monotonic() + request_log.SUMMARY_AFTER_SECONDS if unwritten else None

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
                self._rejected.add(each, refused)
                each.answer.set_result(refused)
            else:
                each.answer.set_exception(error)

    def _take(self, batch: Sequence[PendingRequest]) -> None:
        self._verify([each for each in batch if not each.verified])
        _answer([each for each in batch if _is_preflight(each)])
        batch = [each for each in batch if not _is_preflight(each)]
        tests = [each for each in batch if each.request.test and each.listener is not None]
        others = [each for each in batch if not (each.request.test and each.listener is not None)]
        others = [each for each in others if not (self._files.take(each) or self._keys.take(each))]
        refused = [records.log_row(each) for each in others if isinstance(each.verdict.outcome, RefusedRequest)]
        now = time.monotonic()
        if self._rejected:
            self._rejected.leave_out_of(self._refusals, now)
        rows = [*self._refusals.choose(refused, now), *self._refusals.summaries(now)]
        taken = [each for each in others if not isinstance(each.verdict.outcome, RefusedRequest)]
        with self._counting:
            answers = dict(self._answers)
        if taken or rows or answers:
            with transaction.atomic():
                _start(taken)
                request_log.write([*rows, *(records.log_row(each) for each in taken)])
                request_log.update_status_codes(answers)
            with self._counting:
                for request_id in answers:
                    del self._answers[request_id]
        _answer(others)
        if tests:
            self._process_tests(tests, now)
            _answer(tests)

    def _verify(self, batch: Sequence[PendingRequest]) -> None:
        """Find the listener of each request, and verify the request."""
        active = listening({each.request.requested_path for each in batch if not each.request.test})
        of_tests = {path: tested(path) for path in {each.request.requested_path for each in batch if each.request.test}}
        for each in batch:
            each.listener = (of_tests if each.request.test else active).get(each.request.requested_path)
        listeners = [each.listener for each in batch if each.listener is not None]
        secrets = self._secrets.look_up({reference for listener in listeners for reference in listener.credentials})
        for each in batch:
            each.verdict = self._judge.verify(each.request, each.listener, secrets)
            each.verified = True
            self._reserve_unpacked(each)
            if not isinstance(each.verdict.outcome, AcceptedRequest):
                each.outcome = each.verdict.outcome

    def _reserve_unpacked(self, each: PendingRequest) -> None:
        """Count the bytes of an unpacked body as those of other bodies, or refuse the request."""
        outcome = each.verdict.outcome
        if not isinstance(outcome, AcceptedRequest) or not (size := outcome.unpacked_bytes):
            return
        with self._counting:
            if is_room := self._bytes + size <= MAX_WAITING_BYTES:
                self._bytes += size
        if is_room:
            each.answer.add_done_callback(lambda _: self._release(size))
        else:
            each.verdict = replace(each.verdict, outcome=FULL)

    def _process_tests(self, tests: Sequence[PendingRequest], now: float) -> None:
        """Log the requests to test URLs, each with an event for the workflow's page."""
        for each in tests:
            if not isinstance(each.verdict.outcome, RefusedRequest):
                each.outcome = records.response_to_test(each)
        rows = [records.log_row(each) for each in tests]
        chosen = self._refusals.choose([row for row in rows if not row.accepted], now)
        logged = {row.id for row in rows if row.accepted} | {row.id for row in chosen}
        with transaction.atomic():
            request_log.write([row for row in rows if row.id in logged])
            records.append_test_events([each for each in tests if each.id in logged])


def _is_preflight(each: PendingRequest) -> bool:
    """Return whether a browser only asks whether it may call. Anybody can ask, so it leaves no row in the log."""
    return isinstance(each.verdict.outcome, AnsweredRequest) and each.verdict.outcome.status == cors.PREFLIGHT_STATUS


def _answer(batch: Sequence[PendingRequest]) -> None:
    for each in batch:
        headers = cors.response_headers(each.request, each.listener.parameters if each.listener else None)
        each.answer.set_result(
            replace(each.outcome, headers=each.outcome.headers | headers) if headers else each.outcome
        )


def _start(taken: Sequence[PendingRequest]) -> None:
    """Create the executions of requests that are not duplicates, in the caller's transaction."""
    starting = [each for each in taken if isinstance(each.verdict.outcome, AcceptedRequest)]
    messages = {each.id: message for each in starting if (message := _message(each)) is not None}
    first = deduplication.claim({message: each for each, message in reversed(messages.items())})
    earlier = {each: first[message] for each, message in messages.items() if first.get(message, each) != each}
    new = [each for each in starting if each.id not in earlier]
    results = lifecycle.create_executions([_new(each) for each in new]) if new else []
    for each, execution in zip(new, results, strict=True):
        each.outcome = _started(each, execution)
    failed = {each.id: each.outcome for each in new if isinstance(each.outcome, RefusedRequest)}
    deduplication.forget([messages[each] for each in failed if each in messages])
    for each in starting:
        if (execution_id := earlier.get(each.id)) is not None:
            each.outcome = failed.get(execution_id) or _accepted(each, execution_id, duplicate=True)


def _message(each: PendingRequest) -> deduplication.MessageKey | None:
    """Return the key of duplicates. It names the trigger, since its path may pass to another trigger."""
    assert each.listener is not None
    trigger = f"{each.listener.workflow.pk}/{each.listener.node_id}"
    return (trigger, each.verdict.message_id) if each.verdict.message_id else None


def _new(each: PendingRequest) -> NewExecution:
    assert each.listener is not None
    assert isinstance(each.verdict.outcome, AcceptedRequest)
    return NewExecution(
        workflow=each.listener.workflow,
        version=each.listener.version,
        trigger=Trigger.WEBHOOK,
        input=[each.verdict.outcome.item],
        trigger_node=each.listener.node_id,
        awaited=_respond(each) != "immediately",
        id=each.id,
        key=each.key,
        files=each.files or (),
        traceparent=each.request.headers.get("traceparent", ""),
    )


def _started(each: PendingRequest, made: Execution | CannotStart) -> Accepted | RefusedRequest:
    if isinstance(made, CannotStart):
        return RefusedRequest(409, str(made))
    return _accepted(each, made.pk)


def _accepted(each: PendingRequest, execution_id: UUID, *, duplicate: bool = False) -> Accepted:
    parameters = each.listener.parameters if each.listener else None
    default = (parameters and parameters.default_response) or FixedResponse()
    return Accepted(each.id, execution_id, _respond(each), duplicate, default)


def _respond(each: PendingRequest) -> str:
    parameters = each.listener.parameters if each.listener else None
    return parameters.respond if parameters else "immediately"


_intake = PerProcess(_Intake)


def submit(request: HookRequest) -> Future[Outcome]:
    """Submit a request. The future is done when its outcome is committed."""
    waiting = PendingRequest(request)
    if not _intake().put(waiting):
        waiting.answer.set_result(FULL)
    return waiting.answer


def note_answer(request_id: UUID, status: int) -> None:
    """Record the status of a response that was sent after the request was accepted."""
    _intake().note(request_id, status)
