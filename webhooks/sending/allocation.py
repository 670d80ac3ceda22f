"""How many deliveries of each lane a process may claim now. Nothing is read or written here.

What one lane gets depends on how it does (window, breaker, rate limit), what all get on the threads that are free;
lanes take turns, so that none waits for another's queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from webhooks.sending.message import Receiver

SLOW_MS = 1_000.0
"""A lane whose attempts take longer is slow."""
AHEAD_MS = 200.0
"""A process claims ahead what a healthy lane takes so long to send at most."""
MOST_AHEAD = 8
"""And at most so many times what it sends at a time."""
MOST_CLAIMED = 400
"""Deliveries claimed in one transaction."""
ON_THE_WAY_SECONDS = 0.1
"""Between a claim and the moment in which the receiver hears it; a rate limit holds all the same."""


@dataclass(frozen=True, slots=True)
class LaneNow:
    """A lane as it was locked."""

    receiver: Receiver
    window: float
    failures: int
    opened_times: int
    slow_ms: float
    tokens: float
    tokens_seconds: float
    """How long ago it had those tokens."""
    sending: int = 0
    """Claimed by any process, and not recorded yet."""

    @property
    def id(self) -> UUID:
        return self.receiver.lane_id

    @property
    def slow(self) -> bool:
        """Tell whether it is one of those that together hold at most half of the threads."""
        return self.slow_ms > SLOW_MS or self.failures > 0


@dataclass(frozen=True, slots=True)
class Held:
    """What this process has of a lane."""

    claimed: int = 0
    """Not recorded yet."""
    unsent: int = 0
    """Of these, waiting for a thread."""
    running: int = 0
    hanging: bool = False
    """One of them is on its way for so long that the lane is slow, which nobody has written down yet."""


@dataclass(frozen=True, slots=True)
class Allotment:
    """What a process may do with a lane."""

    slots: int
    """Attempts at a time."""
    claims: int
    """Deliveries to claim now."""
    tokens: float | None = None
    """What is left of the rate limit after that, None without one."""
    slow: bool = False


def allot(
    lanes: Sequence[LaneNow], held: Mapping[UUID, Held], threads: int, slow_threads: int
) -> tuple[dict[UUID, Allotment], float | None]:
    """Return what each lane gets, and in how many seconds a rate limit allows more (None: none stands in the way).

    `threads` are free for attempts, `slow_threads` of these for slow lanes.
    """
    lanes = [replace(lane, slow_ms=SLOW_MS + 1) if held.get(lane.id, Held()).hanging else lane for lane in lanes]
    entitled = {lane.id: _entitled(lane, held.get(lane.id, Held())) for lane in lanes}
    shares = _in_turns(lanes, entitled, held, threads, slow_threads)
    found: dict[UUID, Allotment] = {}
    left, again = MOST_CLAIMED, None
    for lane in lanes:
        slots, most, tokens = entitled[lane.id]
        claims = min(most, left, shares[lane.id] * ahead(lane))
        if tokens is not None:
            claims = min(claims, int(tokens))
            if claims < most:
                pause = (1 - (tokens - claims)) / _rate(lane.receiver)[1]
                again = pause if again is None else min(again, pause)
        left -= claims
        found[lane.id] = Allotment(slots, claims, None if tokens is None else tokens - claims, lane.slow)
    return found, again


def ahead(lane: LaneNow) -> int:
    """Return how many times its slots a process claims of a lane: what it sends quickly, and without being limited."""
    if lane.slow or not lane.slow_ms or lane.receiver.rate_limit or lane.opened_times:
        return 1
    return max(1, min(MOST_AHEAD, int(AHEAD_MS / lane.slow_ms)))


def _entitled(lane: LaneNow, held: Held) -> tuple[int, int, float | None]:
    """Return attempts at a time, claims at most, and tokens of the rate limit.

    Claiming ahead is for the only process that has anything of the lane: what others have, sent or not, counts as if
    they were sending it, so that all together never send more at a time than the window allows.
    """
    others = max(0, lane.sending - held.claimed)
    if lane.opened_times:  # half open: one attempt tells whether it is over
        slots = 0 if lane.sending else 1
    else:
        slots = max(0, min(int(lane.window), lane.receiver.max_concurrent) - others)
    mine = held.running + held.unsent
    most = slots * (1 if others else ahead(lane)) - mine
    return slots, max(0, most), _tokens(lane)


def _rate(receiver: Receiver) -> tuple[int, float]:
    """Return how many attempts may come at once, and how many a second follow.

    Chosen so that no span of `rate_seconds` holds more than `rate_limit`: a bucket as large as the limit would let
    through almost twice as many after a quiet time.
    """
    limit = receiver.rate_limit or 1
    burst = max(1, limit // 10)
    return burst, (limit - burst + 1) / (receiver.rate_seconds + ON_THE_WAY_SECONDS)


def _tokens(lane: LaneNow) -> float | None:
    if not lane.receiver.rate_limit:
        return None
    burst, per_second = _rate(lane.receiver)
    return min(float(burst), lane.tokens + max(0.0, lane.tokens_seconds) * per_second)


def _in_turns(
    lanes: Sequence[LaneNow],
    entitled: Mapping[UUID, tuple[int, int, float | None]],
    held: Mapping[UUID, Held],
    threads: int,
    slow_threads: int,
) -> dict[UUID, int]:
    """Share the threads out: one to each lane that wants one, then one more, until there are none.

    A lane that has all that it is entitled to and may claim ahead gets something to go on with.
    """
    free = {lane.id: entitled[lane.id][0] - held.get(lane.id, Held()).running for lane in lanes}
    shares = {lane.id: int(free[lane.id] <= 0 and not lane.slow) for lane in lanes}
    wanting = [lane for lane in lanes if entitled[lane.id][1] > 0 and free[lane.id] > 0]
    while wanting and threads > 0:
        still = []
        for lane in wanting:
            if threads <= 0 or (lane.slow and slow_threads <= 0):
                continue
            shares[lane.id] += 1
            threads -= 1
            slow_threads -= lane.slow
            if shares[lane.id] < min(free[lane.id], entitled[lane.id][1]):
                still.append(lane)
        wanting = still
    return shares
