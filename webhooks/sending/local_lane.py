"""What this process has of one lane: deliveries that wait for a thread, and those that are being sent."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from uuid import UUID

from webhooks.sending.allocation import SLOW_MS, Allotment, Held
from webhooks.sending.message import Claimed
from webhooks.sending.retry_decision import Decided

FAILURES_IN_A_ROW = 3
"""After so many, what was claimed ahead is given back."""


@dataclass(slots=True)
class LaneHere:
    """Not safe for threads by itself: the sender's lock is held whenever it is used."""

    slots: int = 1
    slow: bool = False
    waiting: deque[Claimed] = field(default_factory=deque)
    running: dict[UUID, float] = field(default_factory=dict)
    """Since when (`time.monotonic`) each is on its way."""
    preparing: set[UUID] = field(default_factory=set)
    """Of these, those that the endpoint's scripts see: they hold no thread."""
    unrecorded: int = 0
    """Ended, and not written yet."""
    failures: int = 0

    @property
    def held(self) -> Held:
        claimed = len(self.waiting) + len(self.running) + self.unrecorded
        return Held(claimed, len(self.waiting), len(self.running), self.stuck(time.monotonic()) > 0)

    @property
    def empty(self) -> bool:
        return not (self.waiting or self.running or self.unrecorded)

    def allow(self, allotment: Allotment) -> None:
        """Take over what the claim has found the lane to be entitled to."""
        self.slots, self.slow = allotment.slots, allotment.slow

    def start(self) -> list[Claimed]:
        """Return what may be sent now, and count it as running."""
        started = []
        while self.waiting and len(self.running) < self.slots:
            claimed = self.waiting.popleft()
            self.running[claimed.id] = time.monotonic()
            started.append(claimed)
        return started

    def end(self, decided: Decided) -> list[Claimed]:
        """Count an attempt as ended. Returns what is to be given back, since it would not go out quickly now."""
        self.running.pop(decided.claimed.id, None)
        self.unrecorded += 1
        result = decided.result
        if decided.gone:
            return self.clear()
        if result is None or result.succeeded or result.alive:
            self.failures = 0
            return []
        self.failures += 1
        self.slots = max(1, self.slots // 2)
        if result.pause_seconds or result.ms > SLOW_MS or self.failures >= FAILURES_IN_A_ROW:
            return self.clear()
        return []

    def clear(self) -> list[Claimed]:
        """Take out all that waits."""
        waiting, self.waiting = list(self.waiting), deque()
        return waiting

    def stuck(self, now: float) -> int:
        """Return how many attempts have been on their way for so long that the lane is slow."""
        late = now - SLOW_MS / 1000
        return sum(since < late for pk, since in self.running.items() if pk not in self.preparing)

    @property
    def threads(self) -> int:
        """Return how many threads it holds, or will hold as soon as there are any."""
        return len(self.running) - len(self.preparing)
