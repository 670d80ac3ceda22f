"""The cost of a node run over all its attempts, as its row stores it."""

from __future__ import annotations

import time

from django.utils import timezone

from executions.models import NodeRun
from workflow_platform.core.spending import Spending

LEAST_TURN_MS = 1.0
"""Shorter waits for turns and pauses are left out: every node run has some."""
ATTEMPTS = "attempts"


class RunCost:
    """Sums up attempts. A run that waits or is tried again keeps `attempts` in its row: the time of them so far, for
    the process that continues it."""

    __slots__ = ("_attempts_ms", "_known", "_spending")

    def __init__(self) -> None:
        self._spending, self._attempts_ms, self._known = Spending(), 0.0, True

    def restore(self, row: NodeRun) -> None:
        """Continue from the row."""
        stored = row.cost or {}
        self._spending = Spending(stored)
        self._attempts_ms = stored.get(ATTEMPTS, {}).get("duration_ms", 0.0)
        self._known = row.cpu_ms is not None or ATTEMPTS not in stored

    def add(self, row: NodeRun, attempt: Spending, began: float, duration_ms: float, cpu_ms: float | None) -> None:
        """Add an attempt and write the sums to the row. `began` is the time of its start on the monotonic clock;
        `duration_ms` is the time in which its node ran, the rest of it was spent waiting for turns."""
        elapsed_ms = (time.monotonic() - began) * 1000
        spending, self._attempts_ms = self._spending, self._attempts_ms + elapsed_ms
        spending.add(attempt)
        if (turn_ms := elapsed_ms - duration_ms) >= LEAST_TURN_MS:
            spending.wait("turn", turn_ms)
        self._set_pause(row)
        self._known = self._known and cpu_ms is not None
        row.cpu_ms = round((row.cpu_ms or 0.0) + cpu_ms, 3) if self._known and cpu_ms is not None else None
        if attempt.memory_bytes is not None:
            row.memory_bytes = max(row.memory_bytes or 0, attempt.memory_bytes)
        row.cost = spending.data()

    def end(self, row: NodeRun) -> None:
        """Write the sums to the row of a run that ends after a pause, without another attempt."""
        self._set_pause(row)
        row.cost = self._spending.data()

    def _set_pause(self, row: NodeRun) -> None:
        """Take what no attempt took, since the start, for pauses."""
        self._spending.waits.pop("pause_ms", None)
        if row.started_at is not None:
            since_start_ms = (timezone.now() - row.started_at).total_seconds() * 1000
            if (pause_ms := since_start_ms - self._attempts_ms) >= LEAST_TURN_MS:
                self._spending.wait("pause", pause_ms)

    def pause(self, row: NodeRun) -> None:
        """Keep the sums in the row of a run that waits or is tried again."""
        row.cost = (row.cost or {}) | {ATTEMPTS: {"duration_ms": round(self._attempts_ms, 1)}}
