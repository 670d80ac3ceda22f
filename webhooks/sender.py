"""The sender of a worker process: one thread, the clerk, writes what came of attempts and claims further deliveries in
one transaction after another; a pool of threads makes the attempts and never touches the database.

RQ jobs of the kind `deliver` wake it. So no transaction is open while anything is sent, and a worker's slots are not
held for longer than HOLD_SECONDS, however long receivers take.
"""

from __future__ import annotations

import heapq
import logging
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from webhooks import holding, outcomes, preparing, transport
from webhooks.allotting import Held
from webhooks.claiming import Claimer, Found
from webhooks.deciding import Decided, broken, decide, turned_down
from webhooks.lane_here import LaneHere
from webhooks.message import Claimed
from webhooks.models import Origin
from webhooks.preparing import Prepared, ScriptError
from webhooks.transport import Attempt

logger = logging.getLogger(__name__)

HOLD_SECONDS = 10.0
"""A job ends then at the latest; the clerk goes on without it."""
LOOK_SECONDS = 0.5
"""While anything is held, the clerk looks so often what is stuck, and whether leases are to be renewed."""
COLLECT_SECONDS = 0.002
"""While much is under way, so long is waited for further ends, which are written together."""
RETRY_SECONDS = 1.0
SOON_SECONDS = 30.0
"""What is due so soon is not left to the sweep."""
MOST_ALARMS = 1_000
RENEWED_BELOW = 0.6
"""Leases are renewed when so much of LEASE_SECONDS is left."""


class Sender:
    """Sends what is due, from `serve` on until it is told to stop."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._woken, self._idle = threading.Event(), threading.Event()
        self._stop = threading.Event()
        self._stopped_at: float | None = None
        self._clerk: threading.Thread | None = None
        self._claimer = Claimer()
        self._lanes: dict[UUID, LaneHere] = {}
        self._held: dict[UUID, Claimed] = {}
        self._ended: list[Decided] = []
        self._returned: list[Claimed] = []
        self._prepared: list[tuple[Claimed, Prepared | None]] = []
        self._dropped: list[Claimed] = []
        self._ready: queue.SimpleQueue[Claimed] = queue.SimpleQueue()
        self._threads = self._most_threads = 0
        self._alarms: list[float] = []

    def serve(self, stop: threading.Event) -> None:
        """Have what is due sent. Returns when nothing is left to do, after HOLD_SECONDS, or, once `stop` is set, when
        what was under way has ended."""
        with self._lock:
            self._stop = stop
            self._idle.clear()
            if self._clerk is None or not self._clerk.is_alive():
                self._stopped_at = None
                self._clerk = threading.Thread(target=self._run, name="webhook clerk")
                self._clerk.start()
        self._woken.set()
        until = time.monotonic() + HOLD_SECONDS
        while not self._idle.wait(0.1):
            if time.monotonic() > until and not stop.is_set():
                return

    # --- the clerk ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_over():
            self._woken.wait(self._pause())
            if len(self._held) > 8:
                time.sleep(COLLECT_SECONDS)
            self._woken.clear()
            try:
                after, more = self._turn()
                after()
                if more:
                    self._woken.set()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("%d deliveries wait to be recorded: %s", len(self._ended), error)
                connection.close()
                time.sleep(RETRY_SECONDS)
                self._woken.set()
            except Exception:
                logger.exception("the clerk of webhooks failed, and goes on")
                connection.close()
                time.sleep(RETRY_SECONDS)
                self._woken.set()
            if not self._held and not self._woken.is_set():
                connection.close()
                self._idle.set()
        connection.close()
        self._idle.set()

    def _is_over(self) -> bool:
        if not (self._stop.is_set() or not threading.main_thread().is_alive()):
            return False
        self._stopped_at = self._stopped_at or time.monotonic()
        return not self._held or time.monotonic() - self._stopped_at > settings.WORKER_GRACE_SECONDS

    def _pause(self) -> float | None:
        """Return how long there is nothing to do unless somebody wakes the clerk."""
        now = time.monotonic()
        pauses = [LOOK_SECONDS] if self._held or self._stop.is_set() else [60.0]
        while self._alarms and self._alarms[0] <= now:
            heapq.heappop(self._alarms)
            pauses.append(0.0)
        pauses += [self._alarms[0] - now] if self._alarms else []
        return min(pauses)

    def _turn(self) -> tuple[Callable[[], None], bool]:
        """Write, renew and claim, in one transaction. Returns what is to be done after it, and whether to go on."""
        stopping = self._stopped_at is not None or self._stop.is_set()
        batch = self._collect(stopping)
        found: Found | None = None
        with transaction.atomic():
            after_commit = outcomes.record(batch.ended)
            holding.give_back(batch.returned)
            holding.keep_prepared(batch.prepared)
            renewed, until = holding.renew(batch.to_renew), time.monotonic() + settings.LEASE_SECONDS
            if not stopping and batch.threads > 0:
                found = self._claimer.claim(batch.held, batch.threads, batch.slow_threads)
        for claimed in batch.to_renew:
            claimed.lease_until = until if claimed.id in renewed else 0.0
        self._settle(batch, found)
        return after_commit, found is not None and found.more

    def _collect(self, stopping: bool) -> _Batch:
        """Take stock: what is to be written, and what there is room for."""
        now = time.monotonic()
        with self._lock:
            stuck = in_use = slow = 0
            for lane in self._lanes.values():
                hanging = lane.stuck(now)
                stuck += hanging
                in_use += len(lane.running)
                slow += len(lane.running) if lane.slow else hanging
                if (hanging or stopping) and lane.waiting:
                    self._give_back(lane, lane.clear())
            batch = _Batch(self._ended[:], self._returned[:], self._prepared[:], self._dropped[:])
            leaving = Counter(each.claimed.lane_id for each in batch.ended)
            leaving.update(each.lane_id for each in (*batch.returned, *batch.dropped))
            batch.held = {pk: replace(held, claimed=held.claimed - leaving[pk]) for pk, held in self._holdings()}
            written = {each.claimed.id for each in batch.ended} | {each.id for each in batch.returned}
            soon = now + settings.LEASE_SECONDS * RENEWED_BELOW
            batch.to_renew = [each for pk, each in self._held.items() if each.lease_until < soon and pk not in written]
            self._most_threads = settings.WEBHOOK_THREADS + min(stuck, settings.WEBHOOK_THREADS)
            batch.threads = self._most_threads - in_use
            batch.slow_threads = settings.WEBHOOK_THREADS // 2 - slow
        return batch

    def _holdings(self) -> list[tuple[UUID, Held]]:
        return [(pk, lane.held) for pk, lane in self._lanes.items()]

    def _settle(self, batch: _Batch, found: Found | None) -> None:
        """Forget what has been written, and hand on what was claimed."""
        with self._lock:
            del self._ended[: len(batch.ended)]
            del self._returned[: len(batch.returned)]
            del self._prepared[: len(batch.prepared)]
            del self._dropped[: len(batch.dropped)]
            for claimed in (*(each.claimed for each in batch.ended), *batch.returned, *batch.dropped):
                self._held.pop(claimed.id, None)
                self._lanes[claimed.lane_id].unrecorded -= 1
            for each in batch.ended:
                self._remember(each)
            for claimed, made in batch.prepared:
                _apply(claimed, made)
                self._ready.put(claimed)
            touched = {claimed.lane_id for claimed, _ in batch.prepared}
            if found is not None:
                touched |= self._take_over(found)
            for pk in touched:
                for claimed in self._lanes[pk].start():
                    self._ready.put(claimed)
            for pk in [pk for pk, lane in self._lanes.items() if lane.empty]:
                del self._lanes[pk]
            self._have_threads()

    def _take_over(self, found: Found) -> set[UUID]:
        for claimed in found.claimed:
            self._held[claimed.id] = claimed
            self._lanes.setdefault(claimed.lane_id, LaneHere()).waiting.append(claimed)
        for pk, allotment in found.allotments.items():
            if pk in self._lanes:
                self._lanes[pk].allow(allotment)
        if found.again_seconds is not None:
            self._remind(found.again_seconds)
        return {pk for pk in found.allotments if pk in self._lanes}

    def _remember(self, decided: Decided) -> None:
        """Be there when a delivery is to be tried again soon."""
        if decided.due_at is not None:
            self._remind((decided.due_at - datetime.now(UTC)).total_seconds())

    def _remind(self, seconds: float) -> None:
        if seconds < SOON_SECONDS and len(self._alarms) < MOST_ALARMS:
            heapq.heappush(self._alarms, time.monotonic() + max(0.0, seconds))

    def _have_threads(self) -> None:
        wanted = min(self._most_threads, sum(len(lane.running) for lane in self._lanes.values()))
        while self._threads < wanted:
            self._threads += 1
            threading.Thread(target=self._work, name=f"webhooks-{self._threads}", daemon=True).start()

    def _give_back(self, lane: LaneHere, claimed: list[Claimed]) -> None:
        self._returned += claimed
        lane.unrecorded += len(claimed)

    # --- the threads that send ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            claimed = self._ready.get()
            try:
                self._do(claimed)
            except Exception:  # nothing may end a thread of the pool
                logger.exception("delivery %s", claimed.id)
                self._end(broken(claimed, Attempt(timezone.now(), transport.shown_url(claimed.target))))

    def _do(self, claimed: Claimed) -> None:
        if time.monotonic() > claimed.lease_until:  # somebody else may be sending it by now
            with self._lock:
                lane = self._lanes[claimed.lane_id]
                lane.running.pop(claimed.id, None)
                lane.unrecorded += 1
                self._dropped.append(claimed)
            self._woken.set()
        elif claimed.needs_preparing:
            self._prepare(claimed)
        else:
            with self._lock:
                self._lanes[claimed.lane_id].running[claimed.id] = time.monotonic()
            attempt = transport.send(claimed)
            self._end(decide(claimed, attempt, timezone.now()))

    def _prepare(self, claimed: Claimed) -> None:
        """Have the endpoint's scripts see it; what they make of it is kept before it is sent."""
        try:
            made = preparing.prepare(
                claimed.receiver.filter if claimed.origin != Origin.TEST else "",
                claimed.receiver.transform,
                claimed.body,
            )
        except ScriptError as error:
            attempt = Attempt(timezone.now(), transport.shown_url(claimed.target))
            attempt.error_class, attempt.error = "script", str(error)
            self._end(decide(claimed, attempt, timezone.now()))
            return
        if made is False:
            self._end(turned_down(claimed))
            return
        with self._lock:
            self._prepared.append((claimed, made))
        self._woken.set()

    def _end(self, decided: Decided) -> None:
        with self._lock:
            lane = self._lanes[decided.claimed.lane_id]
            self._give_back(lane, lane.end(decided))
            self._ended.append(decided)
            for claimed in lane.start():
                self._ready.put(claimed)
        self._woken.set()


@dataclass(slots=True)
class _Batch:
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


def _apply(claimed: Claimed, made: Prepared | None) -> None:
    claimed.prepared = True
    if made is not None:
        claimed.body, claimed.content_type = made.body, made.content_type
        claimed.options = {**(claimed.options or {}), "headers": made.headers, "method": made.method}


_sender: Sender | None = None
_starting = threading.Lock()


def sender() -> Sender:
    """Return the sender of this process."""
    global _sender
    with _starting:
        if _sender is None or _sender.pid != os.getpid():
            _sender = Sender()
        return _sender


def deliver(_: UUID, stop: threading.Event) -> None:
    """Have what is due sent: what an RQ job of the kind `deliver` does."""
    sender().serve(stop)
