"""How many deliveries of each lane a process may claim now. Pure.

The limit of one lane depends on its health (window, circuit breaker, rate limit); the free threads are shared between
the lanes in turns, so that no lane waits for the queue of another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from webhooks.sending.claimed_delivery import ReceiverConfig

SLOW_MS = 1_000.0
"""A lane is slow if its attempts take longer than this."""
AHEAD_MS = 200.0
"""A process claims ahead as much as a healthy lane sends in this time."""
MOST_AHEAD = 8
"""And at most this many times the number that it sends concurrently."""
MOST_CLAIMED = 400
"""Deliveries claimed in one transaction, at most."""
ON_THE_WAY_SECONDS = 0.1
"""Allowance for the time between a claim and the arrival of the request, so that a rate limit holds at the receiver."""


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """A lane when it was locked for a claim."""

    receiver: ReceiverConfig
    window: float
    failures: int
    opened_times: int
    slow_ms: float
    tokens: float
    tokens_seconds: float
    """The age of `tokens`."""
    sending: int = 0
    """Claimed by any process and not recorded yet."""

    @property
    def id(self) -> UUID:
        return self.receiver.lane_id

    @property
    def slow(self) -> bool:
        """Return whether this is a slow lane: all slow lanes together occupy at most half of the threads."""
        return self.slow_ms > SLOW_MS or self.failures > 0


@dataclass(frozen=True, slots=True)
class InFlight:
    """The deliveries of a lane that this process has claimed."""

    claimed: int = 0
    """Not recorded yet."""
    unsent: int = 0
    """Of these, the ones that wait for a thread."""
    running: int = 0
    hanging: bool = False
    """An attempt runs for longer than SLOW_MS, which is not recorded in the lane yet."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a process may send and claim of a lane."""

    slots: int
    """Concurrent attempts."""
    claims: int
    """Deliveries to claim now."""
    tokens: float | None = None
    """The tokens of the rate limit that are left after the claim; None without a rate limit."""
    slow: bool = False


def allocate(
    lanes: Sequence[LaneSnapshot], in_flight: Mapping[UUID, InFlight], threads: int, slow_threads: int
) -> tuple[dict[UUID, Allocation], float | None]:
    """Return the allocation of each lane, and the seconds until a rate limit allows more (None: no rate limit does).

    `threads` threads are free, `slow_threads` of them for slow lanes.
    """
    lanes = [
        replace(lane, slow_ms=SLOW_MS + 1) if in_flight.get(lane.id, InFlight()).hanging else lane for lane in lanes
    ]
    limits = {lane.id: _limits(lane, in_flight.get(lane.id, InFlight())) for lane in lanes}
    shares = _share_threads(lanes, limits, in_flight, threads, slow_threads)
    allocations: dict[UUID, Allocation] = {}
    left, again = MOST_CLAIMED, None
    for lane in lanes:
        slots, most, tokens = limits[lane.id]
        claims = min(most, left, shares[lane.id] * ahead(lane))
        if tokens is not None:
            claims = min(claims, int(tokens))
            if claims < most:
                pause = (1 - (tokens - claims)) / _rate(lane.receiver)[1]
                again = pause if again is None else min(again, pause)
        left -= claims
        allocations[lane.id] = Allocation(slots, claims, None if tokens is None else tokens - claims, lane.slow)
    return allocations, again


def ahead(lane: LaneSnapshot) -> int:
    """Return how many times its slots a process claims of a lane; more than 1 only for a quick, unlimited lane."""
    if lane.slow or not lane.slow_ms or lane.receiver.rate_limit or lane.opened_times:
        return 1
    return max(1, min(MOST_AHEAD, int(AHEAD_MS / lane.slow_ms)))


def _limits(lane: LaneSnapshot, in_flight: InFlight) -> tuple[int, int, float | None]:
    """Return the concurrent attempts, the maximum of claims, and the tokens of the rate limit.

    A process claims ahead only if no other process has claimed of the lane. The claims of other processes count as
    being sent, so that all processes together never exceed the window.
    """
    others = max(0, lane.sending - in_flight.claimed)
    if lane.opened_times:  # half open: one attempt probes the receiver
        slots = 0 if lane.sending else 1
    else:
        slots = max(0, min(int(lane.window), lane.receiver.max_concurrent) - others)
    own_load = in_flight.running + in_flight.unsent
    most = slots * (1 if others else ahead(lane)) - own_load
    return slots, max(0, most), _tokens(lane)


def _rate(receiver: ReceiverConfig) -> tuple[int, float]:
    """Return the burst and the rate per second of the token bucket.

    They are chosen so that no span of `rate_seconds` has more than `rate_limit` attempts. A bucket as large as the
    limit would allow almost twice as many after a pause.
    """
    limit = receiver.rate_limit or 1
    burst = max(1, limit // 10)
    return burst, (limit - burst + 1) / (receiver.rate_seconds + ON_THE_WAY_SECONDS)


def _tokens(lane: LaneSnapshot) -> float | None:
    if not lane.receiver.rate_limit:
        return None
    burst, per_second = _rate(lane.receiver)
    return min(float(burst), lane.tokens + max(0.0, lane.tokens_seconds) * per_second)


def _share_threads(
    lanes: Sequence[LaneSnapshot],
    limits: Mapping[UUID, tuple[int, int, float | None]],
    in_flight: Mapping[UUID, InFlight],
    threads: int,
    slow_threads: int,
) -> dict[UUID, int]:
    """Share the threads: one for each waiting lane, then one more for each, until none is left.

    A lane that uses all its slots and may claim ahead gets one share to continue with.
    """
    free = {lane.id: limits[lane.id][0] - in_flight.get(lane.id, InFlight()).running for lane in lanes}
    shares = {lane.id: int(free[lane.id] <= 0 and not lane.slow) for lane in lanes}
    waiting = [lane for lane in lanes if limits[lane.id][1] > 0 and free[lane.id] > 0]
    while waiting and threads > 0:
        still = []
        for lane in waiting:
            if threads <= 0 or (lane.slow and slow_threads <= 0):
                continue
            shares[lane.id] += 1
            threads -= 1
            slow_threads -= lane.slow
            if shares[lane.id] < min(free[lane.id], limits[lane.id][1]):
                still.append(lane)
        waiting = still
    return shares
