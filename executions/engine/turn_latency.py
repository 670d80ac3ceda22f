"""Measures how late turns come in a worker process."""

from __future__ import annotations

import time
from collections.abc import Callable

from executions.engine.fair_share import FairThreadPool

PROBE_SECONDS = 0.25
"""How often a turn is requested to measure its delay."""


class TurnLatency:
    """Requests a turn again and again, queued like those of executions.

    Its delay is that of a workspace with little work. Each of `listeners` is called with the time of the turn, on
    the monotonic clock: the process still takes turns.
    """

    def __init__(self, threads: FairThreadPool) -> None:
        self._threads = threads
        self._requested_at: float | None = None
        self._ended_at = 0.0
        self._worst = 0.0
        self.listeners: list[Callable[[float], None]] = []

    def request(self) -> None:
        """Request the next turn if it is time and none is pending. Called by the ticker."""
        now = time.monotonic()
        if self._requested_at is None and now - self._ended_at >= PROBE_SECONDS:
            self._requested_at = now
            self._threads.submit(self._on_turn, TurnLatency)

    def record(self, seconds: float) -> None:
        """Record the delay of a turn, or of anything else that has a time."""
        self._worst = max(self._worst, seconds)

    def _on_turn(self) -> None:
        requested_at, self._ended_at = self._requested_at, time.monotonic()
        self._requested_at = None
        if requested_at is not None:
            self.record(self._ended_at - requested_at)
        for listener in self.listeners:
            listener(self._ended_at)

    @property
    def pending_seconds(self) -> float:
        """Return for how many seconds the requested turn has been pending; 0 if none is."""
        requested_at = self._requested_at
        return 0.0 if requested_at is None else time.monotonic() - requested_at

    def take_worst(self) -> float:
        """Return the longest delay in seconds since the last call."""
        worst, self._worst = max(self._worst, self.pending_seconds), 0.0
        return worst
