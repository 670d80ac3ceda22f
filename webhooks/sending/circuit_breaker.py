"""How attempts change the health of a lane: window, circuit breaker, latency. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FIRST_OPEN_SECONDS = 5.0
LONGEST_OPEN_SECONDS = 300.0
LONGEST_PAUSE_SECONDS = 3_600.0
"""A Retry-After with 429 or 503 pauses the whole lane, up to this time."""
WEIGHT_OF_THE_LATEST = 0.2
LEAST_WINDOW = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """The part of a Lane that attempts change."""

    window: float
    failures: int
    failing_since: datetime | None
    open_until: datetime | None
    opened_times: int
    slow_ms: float
    not_before: datetime | None
    succeeded_at: datetime | None
    failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Result:
    """What an attempt shows about its receiver."""

    succeeded: bool
    alive: bool
    """The receiver answered with an error that a retry would not change: the receiver itself works."""
    ms: float
    pause_seconds: float | None = None
    """The Retry-After of the answer."""


def after(health: Health, results: Sequence[Result], now: datetime, max_concurrent: int, breaker: int) -> Health:
    """Return the health of the lane after these attempts, in the order in which they ended."""
    for result in results:
        slow_ms = health.slow_ms + (result.ms - health.slow_ms) * (WEIGHT_OF_THE_LATEST if health.slow_ms else 1)
        health = replace(health, slow_ms=slow_ms)
        if result.succeeded:
            health = replace(
                health,
                window=min(health.window + 1, float(max(1, max_concurrent))),
                failures=0,
                failing_since=None,
                open_until=None,
                opened_times=0,
                succeeded_at=now,
            )
        else:
            health = _failed(health, result, now, breaker)
    return health


def _failed(health: Health, result: Result, now: datetime, breaker: int) -> Health:
    health = replace(health, failing_since=health.failing_since or now, failed_at=now)
    if result.alive:
        # The receiver refused this delivery but works: a half-open breaker closes.
        return replace(health, failures=0, open_until=None, opened_times=0)
    health = replace(health, window=max(LEAST_WINDOW, health.window / 2), failures=health.failures + 1)
    if result.pause_seconds:
        until = now + timedelta(seconds=min(result.pause_seconds, LONGEST_PAUSE_SECONDS))
        health = replace(health, not_before=max(until, health.not_before or until))
    probed = health.open_until is not None and health.open_until <= now
    if probed or (health.open_until is None and health.failures >= breaker):
        seconds = min(FIRST_OPEN_SECONDS * 2**health.opened_times, LONGEST_OPEN_SECONDS)
        return replace(
            health, open_until=now + timedelta(seconds=seconds), opened_times=min(health.opened_times + 1, 16)
        )
    return health
