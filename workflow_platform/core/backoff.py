"""How long to wait before the next try. Pure."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

HALF = 0.5


def exponential(retry: int, first: float, longest: float, factor: float = 2.0) -> float:
    """Return the delay before a retry, counted from 1: `first` times `factor` for each earlier retry, at most
    `longest`. The unit is that of `first`."""
    try:
        return min(longest, first * factor ** (retry - 1))
    except OverflowError:
        return longest


def shortened(delay: float, jitter: float = HALF, chance: float | None = None) -> float:
    """Return the delay less a random part of it, at most the fraction `jitter`, so that clients that failed together
    do not retry together. 1 is full jitter: any delay from 0.

    `chance` in [0, 1) takes the place of a random number: 0 gives the shortest delay.
    """
    return delay * (1 - jitter * (1 - _drawn(chance)))


def around(seconds: float, jitter: float, chance: float | None = None) -> float:
    """Return an interval that is longer or shorter by a random part, at most the fraction `jitter`, so that processes
    that started together do not work together."""
    return seconds * (1 - jitter + 2 * jitter * _drawn(chance))


def retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds of a Retry-After, given as a number or a date (RFC 9110, 10.2.3); None if it is invalid."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _drawn(chance: float | None) -> float:
    return random.random() if chance is None else chance  # noqa: S311 - spreads load; protects nothing
