"""Evaluates the concurrency keys of requests to /hooks/ that are JavaScript, without blocking the intake."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from executions.lifecycle import concurrency_keys
from executions.models import WorkflowVersion
from executions.triggers.hooks.requests import AcceptedRequest, PendingRequest, RefusedRequest
from workflow_platform.core.sandbox.batching import Batches
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable

MAX_BATCH = 50
MAX_BATCH_BYTES = 4 * 2**20
MAX_WAITING = 500
"""Requests of one workspace that wait for their keys."""
MAX_SECONDS = 15.0
BUSY = RefusedRequest(
    429,
    f"{MAX_WAITING} requests of this workspace already wait for their concurrency keys. Send the request again later.",
    {"Retry-After": "5"},
)
TOO_SLOW = RefusedRequest(
    503, f"The concurrency key was not evaluated within {MAX_SECONDS:g} s. Send it again later.",
    {"Retry-After": "5"},
)  # fmt: skip
FAILED = RefusedRequest(
    500, "The concurrency key could not be evaluated because of an internal error; see the log of the web process."
)


class KeysAhead:
    """Evaluates keys. Passes each request to `done` with its key, or refused; `done` is called in other threads."""

    def __init__(self, done: Callable[[PendingRequest], None]) -> None:
        self._done = done
        self._batches: Batches[PendingRequest] = Batches("concurrency keys", MAX_BATCH, self._find, self._fail)

    def take(self, pending: PendingRequest) -> bool:
        """Accept a request whose key must be evaluated. False if it has its key, needs none, or is refused."""
        if (
            pending.listener is None
            or not isinstance(pending.verdict.outcome, AcceptedRequest)
            or pending.key is not None
        ):
            return False
        pending.key = concurrency_keys.read(pending.listener.version, [pending.verdict.outcome.item])
        if pending.key is not None:
            return False
        pending.key_deadline = time.monotonic() + MAX_SECONDS
        pending.away = True
        if self._batches.put(str(pending.listener.workflow.workspace_id), pending, MAX_WAITING):
            return True
        pending.away = False
        _refuse(pending, BUSY)
        return False

    def _find(self, workspace: str, batch: Sequence[PendingRequest]) -> Sequence[PendingRequest]:
        now = time.monotonic()
        self._refuse_all([pending for pending in batch if pending.key_deadline < now], TOO_SLOW)
        live = [pending for pending in batch if pending.key_deadline >= now]
        count, size = 1, 0
        while count < len(live) and (size := size + len(live[count].request.body)) <= MAX_BATCH_BYTES:
            count += 1
        chosen, rest = live[:count], live[count:]
        try:
            results = concurrency_keys.evaluate([_key_input(pending) for pending in chosen], workspace)
        except SandboxUnavailable as error:
            self._refuse_all(chosen, RefusedRequest(503, str(error), {"Retry-After": str(error.retry_after)}))
            return rest
        for pending, key in zip(chosen, results, strict=True):
            pending.key = key
        for pending in chosen:
            if pending.key is not None:
                self._done(pending)
        return [pending for pending, key in zip(chosen, results, strict=True) if key is None] + rest

    def _fail(self, batch: Sequence[PendingRequest]) -> None:
        self._refuse_all([pending for pending in batch if pending.key is None], FAILED)

    def _refuse_all(self, batch: Sequence[PendingRequest], refusal: RefusedRequest) -> None:
        for pending in batch:
            _refuse(pending, refusal)
            self._done(pending)


def _key_input(pending: PendingRequest) -> tuple[WorkflowVersion, concurrency_keys.Items]:
    assert pending.listener is not None
    assert isinstance(pending.verdict.outcome, AcceptedRequest)
    return pending.listener.version, [pending.verdict.outcome.item]


def _refuse(pending: PendingRequest, refusal: RefusedRequest) -> None:
    pending.verdict = replace(pending.verdict, outcome=refusal)
    pending.outcome = refusal
