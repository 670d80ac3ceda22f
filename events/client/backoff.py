"""How long a client waits before it connects again. Pure."""

from __future__ import annotations

from random import Random

RESTARTING, TOO_MANY = 1012, 4429
FIRST, LONGEST = 0.1, 1.5
"""Seconds. With the longest delay of 1.5 s a client is back within 2 s of the server's return."""
LONGEST_WHEN_TOO_MANY = 30.0
"""The longer pause after the server refused a connection because of its limits."""

_random = Random()  # noqa: S311  spreads load, guards nothing


def delay_before(attempt: int, close_code: int | None, chance: Random = _random) -> float:
    """Return the seconds before the attempt (from 0) that follows a connection's end: exponential, with full jitter.

    A server that restarts says so (1012) to all its clients at once: their first attempts spread over one second.
    """
    if close_code == RESTARTING and attempt == 0:
        return chance.uniform(0, 1)
    first, longest = (1.0, LONGEST_WHEN_TOO_MANY) if close_code == TOO_MANY else (FIRST, LONGEST)
    return chance.uniform(0, min(longest, first * 2 ** min(attempt, 20)))
