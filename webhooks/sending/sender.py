"""The sender of a worker process: one thread, the clerk, writes what came of attempts and claims further deliveries in
one transaction after another; a pool of threads makes the attempts and never touches the database.

RQ jobs of the kind `deliver` wake it. So no transaction is open while anything is sent, and a worker's slots are not
held for longer than HOLD_SECONDS, however long receivers take.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from webhooks.sending import leases, outcomes, transport
from webhooks.sending.claiming import Claimer, Found
from webhooks.sending.local_queue import AtHand
from webhooks.sending.message import Claimed
from webhooks.sending.retry_decision import broken, decide, turned_down
from webhooks.sending.scripts import Scripts
from webhooks.sending.transport import Attempt
from webhooks.transforms import Prepared
from workflow_platform.core.outbound.addresses import shown_url
from workflow_platform.core.per_process import PerProcess

logger = logging.getLogger(__name__)

HOLD_SECONDS = 10.0
"""A job ends then at the latest; the clerk goes on without it."""
LOOK_SECONDS = 0.5
"""The clerk looks so often whether it is to stop and, while anything is held, what is stuck and which leases end."""
COLLECT_SECONDS = 0.002
"""While much is under way, so long is waited for further ends, which are written together."""
MUCH = 8
RETRY_SECONDS = 1.0
SOON_SECONDS = 30.0
"""What is due so soon is not left to the sweep."""
MOST_ALARMS = 1_000
_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
"""Also a deadlock. What COPY raises comes from the driver as it is."""


class Sender:
    """Sends what is due, from `serve` on until it is told to stop."""

    def __init__(self) -> None:
        self._starting, self._holding = threading.Lock(), threading.Lock()
        self._woken, self._idle = threading.Event(), threading.Event()
        self._stop = threading.Event()
        self._stopped_at: float | None = None
        self._clerk: threading.Thread | None = None
        self._claimer = Claimer()
        self._at_hand = AtHand()
        self._scripts = Scripts(self._prepared, self._script_failed, self._not_prepared)
        self._threads = 0
        self._alarms: list[float] = []

    def serve(self, stop: threading.Event) -> None:
        """Have what is due sent. Returns when nothing is left to do, after HOLD_SECONDS, or, once `stop` is set, when
        what was under way has ended; at once if another call waits for that already."""
        with self._starting:
            self._stop = stop
            self._idle.clear()
            if self._clerk is None or not self._clerk.is_alive():
                self._stopped_at = None
                # No daemon: when the process ends, what is under way may end before.
                self._clerk = threading.Thread(target=self._run, name="webhook clerk")
                self._clerk.start()
        self.wake()
        if not self._holding.acquire(blocking=False):
            return
        try:
            until = time.monotonic() + HOLD_SECONDS
            while not self._idle.wait(0.1) and (stop.is_set() or time.monotonic() < until):
                continue
        finally:
            self._holding.release()

    def wake(self) -> None:
        """Have the clerk look what there is to do, if there is one."""
        self._woken.set()

    @property
    def idle(self) -> bool:
        """Tell whether there was nothing left to do when the clerk looked last."""
        return self._idle.is_set()

    def join(self, seconds: float) -> None:
        """Wait for the clerk's end, so long at most."""
        if self._clerk is not None:
            self._clerk.join(seconds)

    # --- the clerk ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_over():
            if not (self._woken.wait(self._pause()) or self._at_hand.count or self._rings()):
                continue
            if self._at_hand.count > MUCH:
                time.sleep(COLLECT_SECONDS)
            self._woken.clear()
            self._rings()
            try:
                after_commit, more = self._turn()
                after_commit()
                if more:
                    self._woken.set()
            except _AWAY as error:
                logger.warning(
                    "database failed for the webhook dispatcher: %s; retrying in %g s",
                    error,
                    RETRY_SECONDS,
                    extra=self._fields(),
                )
                self._try_again()
            except Exception:
                logger.exception("webhook dispatcher failed; retrying in %g s", RETRY_SECONDS, extra=self._fields())
                self._at_hand.doubt()
                self._try_again()
            if not self._at_hand.count and not self._woken.is_set():
                connection.close()
                self._idle.set()
        connection.close()
        self._idle.set()

    def _fields(self) -> dict[str, object]:
        return {"count": self._at_hand.count, "retry_seconds": RETRY_SECONDS}

    def _try_again(self) -> None:
        connection.close()
        time.sleep(RETRY_SECONDS)
        self._woken.set()

    def _is_over(self) -> bool:
        if not (self._stop.is_set() or not threading.main_thread().is_alive()):
            return False
        self._stopped_at = self._stopped_at or time.monotonic()
        return not self._at_hand.count or time.monotonic() - self._stopped_at > settings.WORKER_GRACE_SECONDS

    def _pause(self) -> float:
        """Return how long there is nothing to look at unless somebody wakes the clerk."""
        return min(LOOK_SECONDS, max(0.0, self._alarms[0] - time.monotonic())) if self._alarms else LOOK_SECONDS

    def _rings(self) -> bool:
        """Tell whether it is time for something that was to be reminded of."""
        rang = False
        while self._alarms and self._alarms[0] <= time.monotonic():
            heapq.heappop(self._alarms)
            rang = True
        return rang

    def _turn(self) -> tuple[Callable[[], None], bool]:
        """Write, renew and claim, in one transaction. Returns what is to be done after it, and whether to go on."""
        stopping = self._stopped_at is not None or self._stop.is_set()
        batch = self._at_hand.collect(stopping)
        found: Found | None = None
        with transaction.atomic():
            after_commit = outcomes.record(batch.ended)
            leases.give_back(batch.returned)
            leases.keep_prepared(batch.prepared)
            renewed, until = leases.renew(batch.to_renew), time.monotonic() + settings.LEASE_SECONDS
            if not stopping and batch.threads > 0:
                found = self._claimer.claim(batch.held, batch.threads, batch.slow_threads)
        for claimed in batch.to_renew:
            claimed.lease_until = until if claimed.id in renewed else 0.0
        self._at_hand.settle(batch, found)
        self._have_threads()
        for each in batch.ended:
            if each.due_at is not None:
                self._remind((each.due_at - datetime.now(UTC)).total_seconds())
        if found is not None and found.again_seconds is not None:
            self._remind(found.again_seconds)
        return after_commit, found is not None and found.more

    def _remind(self, seconds: float) -> None:
        """Be there when something becomes due soon."""
        if seconds < SOON_SECONDS and len(self._alarms) < MOST_ALARMS:
            heapq.heappush(self._alarms, time.monotonic() + max(0.0, seconds))

    def _have_threads(self) -> None:
        wanted = min(self._at_hand.most_threads, self._at_hand.running)
        while self._threads < wanted:
            self._threads += 1
            threading.Thread(target=self._work, name=f"webhooks-{self._threads}", daemon=True).start()

    # --- the threads that send ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            claimed = self._at_hand.ready.get()
            try:
                self._do(claimed)
            except Exception:  # nothing may end a thread of the pool
                logger.exception("delivery failed with an internal error and is not retried", extra=_fields_of(claimed))
                self._at_hand.end(broken(claimed, Attempt(timezone.now(), shown_url(claimed.target))))
            self._woken.set()

    def _do(self, claimed: Claimed) -> None:
        if not self._at_hand.begin(claimed):
            return
        if claimed.needs_preparing:
            self._at_hand.preparing(claimed)
            self._scripts.put(claimed)
        else:
            attempt = transport.send(claimed)
            self._at_hand.end(decide(claimed, attempt, timezone.now()))

    # --- what came of the endpoint's scripts; it is kept before it is sent --------------------------------------------

    def _prepared(self, claimed: Claimed, made: Prepared | bool | None) -> None:
        if isinstance(made, bool):  # False: the filter does not want it
            self._at_hand.end(turned_down(claimed))
        else:
            self._at_hand.prepared(claimed, made)
        self._woken.set()

    def _script_failed(self, claimed: Claimed, why: str) -> None:
        attempt = Attempt(timezone.now(), shown_url(claimed.target))
        attempt.error_class, attempt.error = "script", why
        self._at_hand.end(decide(claimed, attempt, timezone.now()))
        self._woken.set()

    def _not_prepared(self, claimed: Claimed) -> None:
        self._at_hand.give_back(claimed)
        self._woken.set()


def _fields_of(claimed: Claimed) -> dict[str, object]:
    return {
        "delivery_id": claimed.id,
        "endpoint_id": claimed.receiver.endpoint_id,
        "workspace_id": claimed.receiver.workspace_id,
        "attempt": claimed.attempts_made + 1,
    }


sender = PerProcess(Sender)
"""The sender of this process."""


def deliver(_: UUID, stop: threading.Event) -> None:
    """Have what is due sent: what an RQ job of the kind `deliver` does."""
    sender().serve(stop)
