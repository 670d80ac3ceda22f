"""Recorded arrivals, admitted again under another limit of executions at a time. Pure.

The rule is that of `executions.admission`: a free place goes to the waiting execution with the lowest rank; with a key,
each value of the key has its own places. Other limits are not part of it: whether they matter shows in how well the
present limit explains the waits that were recorded.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """An execution: when it was queued, its rank, for how many seconds it held its place, and its key."""

    at: float
    rank: float
    seconds: float
    key: str = ""


def waits(arrivals: Sequence[Arrival], limit: int, *, per_key: bool = False) -> list[float]:
    """Return for how many seconds each arrival would have waited to be admitted."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, arrival in enumerate(arrivals):
        groups[arrival.key if per_key else ""].append(index)
    found = [0.0] * len(arrivals)
    for group in groups.values():
        _admit(arrivals, group, limit, found)
    return found


def _admit(arrivals: Sequence[Arrival], group: list[int], limit: int, found: list[float]) -> None:
    ends: list[float] = []
    queue: list[tuple[float, int]] = []

    def free_until(moment: float) -> None:
        while ends and ends[0] <= moment:
            end = heapq.heappop(ends)
            if queue:
                _, index = heapq.heappop(queue)
                found[index] = end - arrivals[index].at
                heapq.heappush(ends, end + arrivals[index].seconds)

    for index in sorted(group, key=lambda each: arrivals[each].at):
        arrival = arrivals[index]
        free_until(arrival.at)
        if len(ends) < limit:
            heapq.heappush(ends, arrival.at + arrival.seconds)
        else:
            heapq.heappush(queue, (arrival.rank, index))
    free_until(float("inf"))


def error(recorded: Sequence[float], replayed: Sequence[float]) -> float:
    """Return how far replayed waits are from the recorded ones: the mean difference by the mean wait (at least 1 s)."""
    if not recorded:
        return 0.0
    difference = sum(abs(one - other) for one, other in zip(recorded, replayed, strict=True))
    return difference / max(sum(recorded), float(len(recorded)))
