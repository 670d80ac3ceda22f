"""What a process has claimed and not written yet, lane by lane: shared by the clerk and the threads that send."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.conf import settings

from webhooks.sending.allocation import Held
from webhooks.sending.claiming import Found
from webhooks.sending.local_lane import LaneHere
from webhooks.sending.message import Claimed
from webhooks.sending.retry_decision import Decided
from webhooks.transforms import Prepared

RENEWED_BELOW = 0.6
"""Leases are renewed when so much of LEASE_SECONDS is left."""


@dataclass(slots=True)
class Batch:
    """What one turn of the clerk writes, and what there is room for."""

    ended: list[Decided]
    returned: list[Claimed]
    prepared: list[tuple[Claimed, Prepared | None]]
    dropped: list[Claimed]
    to_renew: list[Claimed] = field(default_factory=list)
    held: dict[UUID, Held] = field(default_factory=dict)
    """Without what is written."""
    threads: int = 0
    slow_threads: int = 0


class AtHand:
    """Safe for threads."""

    def __init__(self) -> None:
        self.ready: queue.SimpleQueue[Claimed] = queue.SimpleQueue()
        """What the threads take."""
        self.most_threads = 0
        self._lock = threading.Lock()
        self._lanes: dict[UUID, LaneHere] = {}
        self._held: dict[UUID, Claimed] = {}
        self._ended: list[Decided] = []
        self._returned: list[Claimed] = []
        self._prepared: list[tuple[Claimed, Prepared | None]] = []
        self._dropped: list[Claimed] = []
        self._written_at_once: int | None = None
        """How many ends are written together; None: all there are."""
        self._bare: set[UUID] = set()

    @property
    def count(self) -> int:
        """Return how many deliveries are held."""
        return len(self._held)

    @property
    def running(self) -> int:
        """Return how many are on their way, or wait for nothing but a thread."""
        with self._lock:
            return sum(lane.threads for lane in self._lanes.values())

    # --- for the clerk ------------------------------------------------------------------------------------------------

    def collect(self, stopping: bool) -> Batch:
        """Take stock: what is to be written, and what there is room for.

        WEBHOOK_THREADS make attempts, and for each that hangs one more, up to as many again: so receivers that begin
        to hang all at once do not take every thread there is.
        """
        now = time.monotonic()
        with self._lock:
            stuck = in_use = slow = 0
            for lane in self._lanes.values():
                hanging = lane.stuck(now)
                stuck += hanging
                in_use += lane.threads
                slow += lane.threads if lane.slow else hanging
                if hanging or stopping:
                    self._give_back(lane, lane.clear())
            batch = Batch(self._ended[: self._written_at_once], self._returned[:], self._prepared[:], self._dropped[:])
            leaving = Counter(each.claimed.lane_id for each in batch.ended)
            leaving.update(each.lane_id for each in (*batch.returned, *batch.dropped))
            for pk, lane in self._lanes.items():
                held = lane.held
                batch.held[pk] = replace(held, claimed=held.claimed - leaving[pk])
            written = {each.claimed.id for each in batch.ended} | {each.id for each in batch.returned}
            soon = now + settings.LEASE_SECONDS * RENEWED_BELOW
            batch.to_renew = [each for pk, each in self._held.items() if each.lease_until < soon and pk not in written]
            self.most_threads = settings.WEBHOOK_THREADS + min(stuck, settings.WEBHOOK_THREADS)
            batch.threads = self.most_threads - in_use
            batch.slow_threads = settings.WEBHOOK_THREADS // 2 - slow
        return batch

    def settle(self, batch: Batch, found: Found | None) -> None:
        """Forget what has been written, and hand on what was claimed."""
        with self._lock:
            del self._ended[: len(batch.ended)]
            if not self._ended:
                self._written_at_once = None
            del self._returned[: len(batch.returned)]
            del self._prepared[: len(batch.prepared)]
            del self._dropped[: len(batch.dropped)]
            for claimed in (*(each.claimed for each in batch.ended), *batch.returned, *batch.dropped):
                self._held.pop(claimed.id, None)
                self._lanes[claimed.lane_id].unrecorded -= 1
            for claimed, made in batch.prepared:
                claimed.become(made)
                self.ready.put(claimed)
            for pk in self._take_over(found) if found is not None else ():
                self._start(self._lanes[pk])
            for pk in [pk for pk, lane in self._lanes.items() if lane.empty]:
                del self._lanes[pk]

    def doubt(self) -> None:
        """Find what could not be written: ends go singly until all are written, one that fails by itself goes without
        what the receiver said, and if that does not help either, its lease is left to run out."""
        with self._lock:
            if self._written_at_once is None or not self._ended:
                self._written_at_once = 1
                return
            first = self._ended[0]
            if first.claimed.id not in self._bare and first.attempt is not None:
                self._bare.add(first.claimed.id)
                first.attempt.strip()
                first.error = "What the receiver said could not be stored."
                return
            self._bare.discard(first.claimed.id)
            self._dropped.append(self._ended.pop(0).claimed)

    def _take_over(self, found: Found) -> list[UUID]:
        for claimed in found.claimed:
            self._held[claimed.id] = claimed
            self._lanes.setdefault(claimed.lane_id, LaneHere()).waiting.append(claimed)
        here = [pk for pk in found.allotments if pk in self._lanes]
        for pk in here:
            self._lanes[pk].allow(found.allotments[pk])
        return here

    # --- for the threads ----------------------------------------------------------------------------------------------

    def begin(self, claimed: Claimed) -> bool:
        """Note that an attempt begins now. False if its lease is over: somebody else may be sending it."""
        now = time.monotonic()
        with self._lock:
            lane = self._lanes[claimed.lane_id]
            if now <= claimed.lease_until:
                lane.running[claimed.id] = now
                return True
            lane.running.pop(claimed.id, None)
            lane.unrecorded += 1
            self._dropped.append(claimed)
            return False

    def preparing(self, claimed: Claimed) -> None:
        """Note that the endpoint's scripts see a delivery, and no thread waits for them."""
        with self._lock:
            self._lanes[claimed.lane_id].preparing.add(claimed.id)

    def prepared(self, claimed: Claimed, made: Prepared | None) -> None:
        """Take what scripts have made of a delivery; it goes on when that is written."""
        with self._lock:
            self._lanes[claimed.lane_id].preparing.discard(claimed.id)
            self._prepared.append((claimed, made))

    def give_back(self, claimed: Claimed) -> None:
        """Take a delivery that nothing came of: it is pending again, for any process."""
        with self._lock:
            lane = self._lanes[claimed.lane_id]
            lane.preparing.discard(claimed.id)
            lane.running.pop(claimed.id, None)
            self._give_back(lane, [claimed])
            self._start(lane)

    def end(self, decided: Decided) -> None:
        """Take what came of a delivery, and let the next one of its lane go."""
        with self._lock:
            lane = self._lanes[decided.claimed.lane_id]
            lane.preparing.discard(decided.claimed.id)
            self._give_back(lane, lane.end(decided))
            self._ended.append(decided)
            self._start(lane)

    def _start(self, lane: LaneHere) -> None:
        for claimed in lane.start():
            self.ready.put(claimed)

    def _give_back(self, lane: LaneHere, claimed: list[Claimed]) -> None:
        self._returned += claimed
        lane.unrecorded += len(claimed)
