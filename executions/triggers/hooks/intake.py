"""Turns requests to /hooks/ into executions, in batches of one transaction each.

One thread of each web process reads the pending requests, finds their triggers, verifies them, creates the executions,
logs the requests, and sets each response. A response is set after the commit: the caller knows that it is stored.
"""

from __future__ import annotations

import logging
import math
import queue
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
from workflow_platform.core.postgresql.server import outcome_unknown

logger = logging.getLogger(__name__)

MAX_BATCH = 200
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
MAX_REJECTED = 500
STATUS_SECONDS = 0.25
"""The longest time until the status of a late response is logged, if no further requests arrive."""


class _Rejected:
    """Requests that were refused for lack of capacity or storage, until they can be logged. The first MAX_REJECTED keep
    their path and address; all others are only counted."""

    def __init__(self) -> None:
        self._requests: list[PendingRequest] = []
        self._more, self._lock = 0, threading.Lock()

    def add(self, pending: PendingRequest, outcome: RefusedRequest) -> None:
        """Keep a request without its body and secrets. Thread-safe."""
        with self._lock:
            if len(self._requests) < MAX_REJECTED:
                self._requests.append(PendingRequest(pending.request.redacted(), outcome=outcome))
            else:
                self._more += 1

    def __bool__(self) -> bool:
        return bool(self._requests)

    def count_in(self, refusals: request_log.Refusals, now: float) -> None:
        """Add the requests to the counts of refusals that are not logged one by one. Raises database errors."""
        with self._lock:
            requests = list(self._requests)
        listeners = listening({pending.request.path for pending in requests if not pending.request.test})
        with self._lock:
            del self._requests[: len(requests)]
            more, self._more = self._more, 0
        for index, pending in enumerate(requests):
            pending.listener = None if pending.request.test else listeners.get(pending.request.path)
            refusals.leave_out(records.log_row(pending), now, 1 if index else 1 + more)


class _Intake:
    def __init__(self) -> None:
        self.requests: queue.SimpleQueue[PendingRequest | None] = queue.SimpleQueue()
        self._bytes, self._counting = 0, threading.Lock()
        self._final_statuses: dict[UUID, int] = {}
        self._verifier, self._secrets, self._refusals = Verifier(), HookSecrets(), request_log.Refusals()
        self._rejected = _Rejected()
        self._keys = KeysAhead(self.requests.put)
        threading.Thread(target=self._run, name="hook intake", daemon=True).start()

    def put(self, pending: PendingRequest) -> bool:
        """Accept a request. False if too many are pending."""
        size = len(pending.request.body)
        with self._counting:
            if self.requests.qsize() >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES:
                self._rejected.add(pending, FULL)
                return False
            self._bytes += size
        self.requests.put(pending)
        return True

    def note(self, request_id: UUID, status: int) -> None:
        """Record the status of the final response in the request's row."""
        with self._counting:
            self._final_statuses[request_id] = status
        self.requests.put(None)

    def _run(self) -> None:
        busy = False
        while True:
            batch = self._next(busy)
            for pending in batch:
                pending.evaluating = False
            busy = len(batch) >= BUSY
            try:
                self._process(batch)
            except (OperationalError, InterfaceError) as error:
                logger.exception("%d requests were not taken", len(batch))
                connection.close()
                refusal = NOT_CONFIRMED if outcome_unknown(error) else NOT_STORED
                for pending in batch:
                    if not pending.response.done() and not pending.evaluating:
                        self._rejected.add(pending, refusal)
                        pending.response.set_result(refusal)
            except Exception:
                logger.exception("%d requests are taken one by one", len(batch))
                self._process_singly(batch)
            with self._counting:
                self._bytes -= sum(len(pending.request.body) for pending in batch if pending.response.done())
            if self.requests.empty():
                connection.close()

    def _next(self, busy: bool) -> list[PendingRequest]:
        """Wait for the next batch; it is empty when refusals or statuses must be written."""
        unwritten = self._refusals.waiting or self._rejected
        until = time.monotonic() + request_log.TELL_AFTER_SECONDS if unwritten else None
        first = None
        while first is None:
            try:
                first = self.requests.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                return []
            if first is None:
                until = min(until or math.inf, time.monotonic() + STATUS_SECONDS)
        batch: list[PendingRequest | None] = [first]
        if busy:
            time.sleep(GATHER_SECONDS)
        while len(batch) < MAX_BATCH and not self.requests.empty():
            batch.append(self.requests.get())
        return [each for each in batch if each is not None]

    def _process_singly(self, batch: Sequence[PendingRequest]) -> None:
        """Process the requests one by one, so that one that fails does not affect the others."""
        for pending in batch:
            if pending.response.done() or pending.evaluating:
                continue
            try:
                self._process([pending])
            except Exception as error:
                logger.exception("a request to %s was not taken", pending.request.path)
                connection.close()
                pending.response.set_exception(error)

    def _process(self, batch: Sequence[PendingRequest]) -> None:
        self._verify([pending for pending in batch if not pending.verified])
        tests = [pending for pending in batch if pending.request.test and pending.listener is not None]
        others = [pending for pending in batch if not (pending.request.test and pending.listener is not None)]
        others = [pending for pending in others if not self._keys.take(pending)]
        refused = [
            records.log_row(pending) for pending in others if isinstance(pending.verdict.outcome, RefusedRequest)
        ]
        now = time.monotonic()
        if self._rejected:
            self._rejected.count_in(self._refusals, now)
        rows = [*self._refusals.choose(refused, now), *self._refusals.told(now)]
        accepted = [pending for pending in others if not isinstance(pending.verdict.outcome, RefusedRequest)]
        with self._counting:
            statuses = dict(self._final_statuses)
        if accepted or rows or statuses:
            with transaction.atomic():
                _start(accepted)
                request_log.write([*rows, *(records.log_row(pending) for pending in accepted)])
                request_log.note_answers(statuses)
            with self._counting:
                for request_id in statuses:
                    del self._final_statuses[request_id]
        _set_responses(others)
        if tests:
            self._process_tests(tests, now)
            _set_responses(tests)

    def _verify(self, batch: Sequence[PendingRequest]) -> None:
        """Find the listener of each request, and verify the request."""
        active = listening({pending.request.path for pending in batch if not pending.request.test})
        test_paths = {pending.request.path for pending in batch if pending.request.test}
        of_tests = {path: tested(path) for path in test_paths}
        for pending in batch:
            pending.listener = (of_tests if pending.request.test else active).get(pending.request.path)
        listeners = [pending.listener for pending in batch if pending.listener is not None]
        references = {reference for listener in listeners for reference in listener.credentials}
        secrets = self._secrets.look_up(references)
        for pending in batch:
            pending.verdict = self._verifier.verify(pending.request, pending.listener, secrets)
            pending.verified = True
            if not isinstance(pending.verdict.outcome, AcceptedRequest):
                pending.outcome = pending.verdict.outcome

    def _process_tests(self, tests: Sequence[PendingRequest], now: float) -> None:
        """Log the requests to test URLs, each with an event for the workflow's page."""
        for pending in tests:
            if not isinstance(pending.verdict.outcome, RefusedRequest):
                pending.outcome = records.response_to_test(pending)
        rows = [records.log_row(pending) for pending in tests]
        chosen = self._refusals.choose([row for row in rows if not row.accepted], now)
        logged = {row.id for row in rows if row.accepted} | {row.id for row in chosen}
        with transaction.atomic():
            request_log.write(row for row in rows if row.id in logged)
            records.append_test_events([pending for pending in tests if pending.id in logged])


def _set_responses(batch: Sequence[PendingRequest]) -> None:
    for pending in batch:
        pending.response.set_result(pending.outcome)


def _start(accepted: Sequence[PendingRequest]) -> None:
    """Create the executions of requests that are not duplicates, in the caller's transaction."""
    starting = [pending for pending in accepted if isinstance(pending.verdict.outcome, AcceptedRequest)]
    messages = {pending.id: message for pending in starting if (message := _message(pending)) is not None}
    first = deduplication.claim({message: pk for pk, message in reversed(messages.items())})
    earlier = {pk: first[message] for pk, message in messages.items() if first.get(message, pk) != pk}
    new = [pending for pending in starting if pending.id not in earlier]
    results = lifecycle.create_executions([_new(pending) for pending in new]) if new else []
    for pending, execution in zip(new, results, strict=True):
        pending.outcome = _started(pending, execution)
    failed = {pending.id: pending.outcome for pending in new if isinstance(pending.outcome, RefusedRequest)}
    deduplication.forget([messages[pk] for pk in failed if pk in messages])
    for pending in starting:
        if (execution_id := earlier.get(pending.id)) is not None:
            pending.outcome = failed.get(execution_id) or Accepted(
                pending.id, execution_id, _respond(pending), duplicate=True
            )


def _message(pending: PendingRequest) -> deduplication.Message | None:
    """Return the key of duplicates. It names the trigger, since its path may pass to another trigger."""
    assert pending.listener is not None
    trigger = f"{pending.listener.workflow.pk}/{pending.listener.node_id}"
    return (trigger, pending.verdict.message_id) if pending.verdict.message_id else None


def _new(pending: PendingRequest) -> NewExecution:
    assert pending.listener is not None
    assert isinstance(pending.verdict.outcome, AcceptedRequest)
    return NewExecution(
        workflow=pending.listener.workflow,
        version=pending.listener.version,
        trigger=Trigger.WEBHOOK,
        input=[pending.verdict.outcome.item],
        trigger_node=pending.listener.node_id,
        awaited=_respond(pending) != "immediately",
        id=pending.id,
        key=pending.key,
    )


def _started(pending: PendingRequest, result: Execution | CannotStart) -> Accepted | RefusedRequest:
    if isinstance(result, CannotStart):
        return RefusedRequest(409, str(result))
    return Accepted(pending.id, result.pk, _respond(pending))


def _respond(pending: PendingRequest) -> str:
    parameters = pending.listener.parameters if pending.listener else None
    return parameters.respond if parameters else "immediately"


_intake: _Intake | None = None
_starting = threading.Lock()


def _instance() -> _Intake:
    global _intake
    with _starting:
        if _intake is None:
            _intake = _Intake()
        return _intake


def submit(request: HookRequest) -> Future[Outcome]:
    """Submit a request. The future is done when its outcome is committed."""
    pending = PendingRequest(request)
    if not _instance().put(pending):
        pending.response.set_result(FULL)
    return pending.response


def note_status(request_id: UUID, status: int) -> None:
    """Record the status of a response that was sent after the request was accepted."""
    _instance().note(request_id, status)
