"""The deliveries of one lane in this process: those that wait for a thread, and those being sent."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from uuid import UUID

from webhooks.sending.allocation import SLOW_MS, Allocation, InFlight
from webhooks.sending.claimed_delivery import ClaimedDelivery
from webhooks.sending.retry_decision import RetryDecision

FAILURES_IN_A_ROW = 3
"""After this many failures in a row, deliveries that were claimed ahead are released."""


@dataclass(slots=True)
class LocalLane:
    """Not thread-safe: LocalQueue holds its lock around every use."""

    slots: int = 1
    slow: bool = False
    waiting: deque[ClaimedDelivery] = field(default_factory=deque)
    running: dict[UUID, float] = field(default_factory=dict)
    """When each attempt started (`time.monotonic`)."""
    transforming: set[UUID] = field(default_factory=set)
    """Of these, the ones that the endpoint's scripts are applied to: they occupy no thread."""
    unrecorded: int = 0
    """Ended and not recorded yet."""
    failures: int = 0

    @property
    def in_flight(self) -> InFlight:
        claimed = len(self.waiting) + len(self.running) + self.unrecorded
        return InFlight(claimed, len(self.waiting), len(self.running), self.stuck(time.monotonic()) > 0)

    @property
    def empty(self) -> bool:
        return not (self.waiting or self.running or self.unrecorded)

    def allow(self, allocation: Allocation) -> None:
        """Set the limits that the claim has allocated."""
        self.slots, self.slow = allocation.slots, allocation.slow

    def start(self) -> list[ClaimedDelivery]:
        """Move the deliveries that may be sent now to running, and return them."""
        started = []
        while self.waiting and len(self.running) < self.slots:
            claimed = self.waiting.popleft()
            self.running[claimed.id] = time.monotonic()
            started.append(claimed)
        return started

    def end(self, decision: RetryDecision) -> list[ClaimedDelivery]:
        """Count an attempt as ended. Returns the deliveries to release because they would wait too long here."""
        self.running.pop(decision.claimed.id, None)
        self.unrecorded += 1
        result = decision.result
        if decision.gone:
            return self.clear()
        if result is None or result.succeeded or result.alive:
            self.failures = 0
            return []
        self.failures += 1
        self.slots = max(1, self.slots // 2)
        if result.pause_seconds or result.ms > SLOW_MS or self.failures >= FAILURES_IN_A_ROW:
            return self.clear()
        return []

    def clear(self) -> list[ClaimedDelivery]:
        """Remove and return all waiting deliveries."""
        waiting, self.waiting = list(self.waiting), deque()
        return waiting

    def stuck(self, now: float) -> int:
        """Return how many attempts have run for longer than SLOW_MS."""
        late = now - SLOW_MS / 1000
        return sum(since < late for pk, since in self.running.items() if pk not in self.transforming)

    @property
    def threads(self) -> int:
        """Return how many threads the lane occupies, or will occupy when threads are free."""
        return len(self.running) - len(self.transforming)
