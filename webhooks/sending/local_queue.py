"""The deliveries that a process has claimed and not recorded yet, by lane: shared by the dispatcher and the senders."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.conf import settings

from webhooks.sending.allocation import InFlight
from webhooks.sending.claimed_delivery import ClaimedDelivery
from webhooks.sending.claiming import ClaimResult
from webhooks.sending.local_lane import LocalLane
from webhooks.sending.retry_decision import RetryDecision
from webhooks.transforms import TransformResult

RENEWED_BELOW = 0.6
"""Leases are renewed when less than this share of LEASE_SECONDS is left."""


@dataclass(slots=True)
class PendingWrites:
    """What one turn of the dispatcher writes, and how much it may claim."""

    ended: list[RetryDecision]
    released: list[ClaimedDelivery]
    transformed: list[tuple[ClaimedDelivery, TransformResult | None]]
    dropped: list[ClaimedDelivery]
    to_renew: list[ClaimedDelivery] = field(default_factory=list)
    in_flight: dict[UUID, InFlight] = field(default_factory=dict)
    """Per lane, without the deliveries that this turn records."""
    threads: int = 0
    slow_threads: int = 0


class LocalQueue:
    """The local queue of a worker process. Thread-safe."""

    def __init__(self) -> None:
        self.ready: queue.SimpleQueue[ClaimedDelivery] = queue.SimpleQueue()
        """Deliveries for the sender threads to take."""
        self.most_threads = 0
        self._lock = threading.Lock()
        self._lanes: dict[UUID, LocalLane] = {}
        self._claimed: dict[UUID, ClaimedDelivery] = {}
        self._ended: list[RetryDecision] = []
        self._released: list[ClaimedDelivery] = []
        self._transformed: list[tuple[ClaimedDelivery, TransformResult | None]] = []
        self._dropped: list[ClaimedDelivery] = []
        self._written_at_once: int | None = None
        """How many ended deliveries are written in one transaction; None: all."""
        self._without_answer: set[UUID] = set()

    @property
    def count(self) -> int:
        """Return how many deliveries are claimed and not recorded."""
        return len(self._claimed)

    @property
    def running(self) -> int:
        """Return how many are being sent, or wait only for a thread."""
        with self._lock:
            return sum(lane.threads for lane in self._lanes.values())

    # --- for the dispatcher ------------------------------------------------------------------------------------------

    def collect(self, stopping: bool) -> PendingWrites:
        """Return what to write and how much may be claimed.

        WEBHOOK_THREADS threads send. Each attempt that hangs adds one more thread, up to twice that number, so that
        receivers which hang at the same time do not occupy all threads.
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
                    self._release(lane, lane.clear())
            batch = PendingWrites(
                self._ended[: self._written_at_once], self._released[:], self._transformed[:], self._dropped[:]
            )
            leaving = Counter(each.claimed.lane_id for each in batch.ended)
            leaving.update(each.lane_id for each in (*batch.released, *batch.dropped))
            for pk, lane in self._lanes.items():
                in_flight = lane.in_flight
                batch.in_flight[pk] = replace(in_flight, claimed=in_flight.claimed - leaving[pk])
            written = {each.claimed.id for each in batch.ended} | {each.id for each in batch.released}
            soon = now + settings.LEASE_SECONDS * RENEWED_BELOW
            batch.to_renew = [
                each for pk, each in self._claimed.items() if each.lease_until < soon and pk not in written
            ]
            self.most_threads = settings.WEBHOOK_THREADS + min(stuck, settings.WEBHOOK_THREADS)
            batch.threads = self.most_threads - in_use
            batch.slow_threads = settings.WEBHOOK_THREADS // 2 - slow
        return batch

    def settle(self, batch: PendingWrites, claim: ClaimResult | None) -> None:
        """Remove what has been written, and add what was claimed."""
        with self._lock:
            del self._ended[: len(batch.ended)]
            if not self._ended:
                self._written_at_once = None
            del self._released[: len(batch.released)]
            del self._transformed[: len(batch.transformed)]
            del self._dropped[: len(batch.dropped)]
            for claimed in (*(each.claimed for each in batch.ended), *batch.released, *batch.dropped):
                self._claimed.pop(claimed.id, None)
                self._lanes[claimed.lane_id].unrecorded -= 1
            for claimed, result in batch.transformed:
                claimed.apply(result)
                self.ready.put(claimed)
            for pk in self._add(claim) if claim is not None else ():
                self._start(self._lanes[pk])
            for pk in [pk for pk, lane in self._lanes.items() if lane.empty]:
                del self._lanes[pk]

    def isolate_failed_write(self) -> None:
        """Isolate a delivery whose record cannot be written.

        First, ended deliveries are written one by one. One that still fails is written without the receiver's answer.
        If that fails too, it is dropped: its lease expires, and the sweep takes over.
        """
        with self._lock:
            if self._written_at_once is None or not self._ended:
                self._written_at_once = 1
                return
            first = self._ended[0]
            if first.claimed.id not in self._without_answer and first.attempt is not None:
                self._without_answer.add(first.claimed.id)
                first.attempt.strip()
                first.error = "The receiver's response could not be stored."
                return
            self._without_answer.discard(first.claimed.id)
            self._dropped.append(self._ended.pop(0).claimed)

    def _add(self, claim: ClaimResult) -> list[UUID]:
        for claimed in claim.claimed:
            self._claimed[claimed.id] = claimed
            self._lanes.setdefault(claimed.lane_id, LocalLane()).waiting.append(claimed)
        lane_ids = [pk for pk in claim.allocations if pk in self._lanes]
        for pk in lane_ids:
            self._lanes[pk].allow(claim.allocations[pk])
        return lane_ids

    # --- for the threads ----------------------------------------------------------------------------------------------

    def begin(self, claimed: ClaimedDelivery) -> bool:
        """Note that an attempt starts now. Return False if the lease has expired: another process may be sending it."""
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

    def start_transform(self, claimed: ClaimedDelivery) -> None:
        """Note that the endpoint's scripts are applied to a delivery. It occupies no thread meanwhile."""
        with self._lock:
            self._lanes[claimed.lane_id].transforming.add(claimed.id)

    def finish_transform(self, claimed: ClaimedDelivery, result: TransformResult | None) -> None:
        """Take the result of the scripts. The delivery is sent after the result is stored."""
        with self._lock:
            self._lanes[claimed.lane_id].transforming.discard(claimed.id)
            self._transformed.append((claimed, result))

    def release(self, claimed: ClaimedDelivery) -> None:
        """Return a delivery that was not attempted: it becomes pending again, for any process."""
        with self._lock:
            lane = self._lanes[claimed.lane_id]
            lane.transforming.discard(claimed.id)
            lane.running.pop(claimed.id, None)
            self._release(lane, [claimed])
            self._start(lane)

    def end(self, decision: RetryDecision) -> None:
        """Take the result of an attempt, and start the next delivery of its lane."""
        with self._lock:
            lane = self._lanes[decision.claimed.lane_id]
            lane.transforming.discard(decision.claimed.id)
            self._release(lane, lane.end(decision))
            self._ended.append(decision)
            self._start(lane)

    def _start(self, lane: LocalLane) -> None:
        for claimed in lane.start():
            self.ready.put(claimed)

    def _release(self, lane: LocalLane, claimed: list[ClaimedDelivery]) -> None:
        self._released += claimed
        lane.unrecorded += len(claimed)
