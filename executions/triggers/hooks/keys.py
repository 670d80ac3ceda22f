"""Concurrency keys of requests to /hooks/ that are JavaScript: evaluated beside the intake, which goes on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from executions.lifecycle import keys
from executions.models import WorkflowVersion
from executions.triggers.hooks.requests import AcceptedRequest, PendingRequest, RefusedRequest
from workflow_platform.core.sandbox.asking import SandboxUnavailable
from workflow_platform.core.sandbox.batching import Batches

MOST_AT_ONCE = 50
MOST_BYTES_AT_ONCE = 4 * 2**20
MOST_WAITING = 500
"""Requests of one workspace whose keys wait to be evaluated."""
LONGEST_SECONDS = 15.0
BUSY = RefusedRequest(
    429,
    "Too many requests of this workspace wait for their concurrency keys. Send it again later.",
    {"Retry-After": "5"},
)
TOO_SLOW = RefusedRequest(
    503, f"The concurrency key was not evaluated within {LONGEST_SECONDS:g} s. Send it again later.",
    {"Retry-After": "5"},
)  # fmt: skip
FAILED = RefusedRequest(500, "The platform failed to evaluate the concurrency key; its log says why.")


class KeysAhead:
    """Finds keys, and hands each request back to `done` with its key, or refused. `done` is called in other threads."""

    def __init__(self, done: Callable[[PendingRequest], None]) -> None:
        self._done = done
        self._batches: Batches[PendingRequest] = Batches("concurrency keys", MOST_AT_ONCE, self._find, self._fail)

    def take(self, each: PendingRequest) -> bool:
        """Take a request whose key has to be evaluated. False if it has its key, or needs none, or is refused."""
        if each.listener is None or not isinstance(each.judged.outcome, AcceptedRequest) or each.key is not None:
            return False
        each.key = keys.read(each.listener.version, [each.judged.outcome.item])
        if each.key is not None:
            return False
        each.keys_until = time.monotonic() + LONGEST_SECONDS
        each.away = True
        if self._batches.put(str(each.listener.workflow.workspace_id), each, MOST_WAITING):
            return True
        each.away = False
        _refuse(each, BUSY)
        return False

    def _find(self, workspace: str, batch: Sequence[PendingRequest]) -> Sequence[PendingRequest]:
        now = time.monotonic()
        self._refuse_all([each for each in batch if each.keys_until < now], TOO_SLOW)
        live = [each for each in batch if each.keys_until >= now]
        count, size = 1, 0
        while count < len(live) and (size := size + len(live[count].request.body)) <= MOST_BYTES_AT_ONCE:
            count += 1
        asked, left = live[:count], live[count:]
        try:
            found = keys.evaluate([_wanted(each) for each in asked], workspace)
        except SandboxUnavailable as error:
            self._refuse_all(asked, RefusedRequest(503, str(error), {"Retry-After": str(error.retry_after)}))
            return left
        for each, key in zip(asked, found, strict=True):
            each.key = key
        for each in asked:
            if each.key is not None:
                self._done(each)
        return [each for each, key in zip(asked, found, strict=True) if key is None] + left

    def _fail(self, batch: Sequence[PendingRequest]) -> None:
        self._refuse_all([each for each in batch if each.key is None], FAILED)

    def _refuse_all(self, batch: Sequence[PendingRequest], refused: RefusedRequest) -> None:
        for each in batch:
            _refuse(each, refused)
            self._done(each)


def _wanted(each: PendingRequest) -> tuple[WorkflowVersion, keys.Items]:
    assert each.listener is not None
    assert isinstance(each.judged.outcome, AcceptedRequest)
    return each.listener.version, [each.judged.outcome.item]


def _refuse(each: PendingRequest, refused: RefusedRequest) -> None:
    each.judged = replace(each.judged, outcome=refused)
    each.outcome = refused
