"""Requests that were refused for lack of capacity or storage, until they can be logged."""

from __future__ import annotations

import threading

from executions.triggers.hooks import records
from executions.triggers.hooks.listeners import listening
from executions.triggers.hooks.requests import PendingRequest, RefusedRequest
from webhooks.inbound import request_log

MAX_REJECTED = 500


class UnstoredRequests:
    """The first MAX_REJECTED requests keep their path and address; all others are only counted."""

    def __init__(self) -> None:
        self._requests: list[PendingRequest] = []
        self._more, self._lock = 0, threading.Lock()

    def add(self, waiting: PendingRequest, outcome: RefusedRequest) -> None:
        """Keep a request without its body and secrets. Thread-safe."""
        with self._lock:
            if len(self._requests) < MAX_REJECTED:
                self._requests.append(PendingRequest(waiting.request.redacted(), outcome=outcome))
            else:
                self._more += 1

    def __bool__(self) -> bool:
        return bool(self._requests)

    def leave_out_of(self, refusals: request_log.RefusalSampler, now: float) -> None:
        """Add the requests to the counts of refusals that are not logged one by one. Raises database errors."""
        with self._lock:
            requests = list(self._requests)
        listeners = listening({each.request.requested_path for each in requests if not each.request.test})
        with self._lock:
            del self._requests[: len(requests)]
            more, self._more = self._more, 0
        for index, each in enumerate(requests):
            each.listener = None if each.request.test else listeners.get(each.request.requested_path)
            refusals.leave_out(records.log_row(each), now, 1 if index else 1 + more)
