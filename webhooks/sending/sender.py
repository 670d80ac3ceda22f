"""The sender of a worker process.

One thread, the dispatcher, records the results of attempts and claims further deliveries, in one transaction after the
other. A pool of threads sends and never uses the database, so no transaction is open during an HTTP request. RQ jobs of
the kind `deliver` wake the dispatcher; each occupies a slot of the worker for at most HOLD_SECONDS.
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
from webhooks.sending.claimed_delivery import ClaimedDelivery
from webhooks.sending.claiming import Claimer, ClaimResult
from webhooks.sending.local_queue import LocalQueue
from webhooks.sending.log_context import delivery_logging
from webhooks.sending.retry_decision import decide, filtered_out, internal_failure
from webhooks.sending.scripts import Scripts
from webhooks.sending.transport import AttemptResult
from webhooks.transforms import TransformResult
from workflow_platform.core.outbound.addresses import shown_url
from workflow_platform.core.per_process import PerProcess

logger = logging.getLogger(__name__)

HOLD_SECONDS = 10.0
"""A job ends after this time; the dispatcher continues without it."""
LOOK_SECONDS = 0.5
"""How often the dispatcher checks whether to stop, which attempts hang, and which leases end."""
COLLECT_SECONDS = 0.002
"""With more than MUCH deliveries in flight, wait this long for further results, to record them together."""
MUCH = 8
RETRY_SECONDS = 1.0
SOON_SECONDS = 30.0
"""Deliveries that become due within this time set an alarm; later ones are left to the sweep."""
MOST_ALARMS = 1_000
_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
"""The database is unavailable, or a deadlock. COPY raises the driver's own exceptions."""


class Sender:
    """Sends due deliveries, from `serve` until the stop event is set."""

    def __init__(self) -> None:
        self._starting, self._holding = threading.Lock(), threading.Lock()
        self._woken, self._idle = threading.Event(), threading.Event()
        self._stop = threading.Event()
        self._stopped_at: float | None = None
        self._dispatcher: threading.Thread | None = None
        self._claimer = Claimer()
        self._local = LocalQueue()
        self._scripts = Scripts(self._transformed, self._script_failed, self._not_transformed)
        self._threads = 0
        self._alarms: list[float] = []

    def serve(self, stop: threading.Event) -> None:
        """Send what is due. Returns when nothing is left, or after HOLD_SECONDS.

        After `stop` is set, returns when the attempts in flight have ended. Returns at once if another call waits.
        """
        with self._starting:
            self._stop = stop
            self._idle.clear()
            if self._dispatcher is None or not self._dispatcher.is_alive():
                self._stopped_at = None
                # Not a daemon: at the end of the process, attempts in flight may finish first.
                self._dispatcher = threading.Thread(target=self._run, name="webhook dispatcher")
                self._dispatcher.start()
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
        """Wake the dispatcher, if it runs."""
        self._woken.set()

    @property
    def idle(self) -> bool:
        """Return whether the dispatcher found nothing to do when it last looked."""
        return self._idle.is_set()

    def join(self, seconds: float) -> None:
        """Wait for the end of the dispatcher, up to this time."""
        if self._dispatcher is not None:
            self._dispatcher.join(seconds)

    # --- the dispatcher -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_over():
            if not (self._woken.wait(self._pause()) or self._local.count or self._pop_alarms()):
                continue
            if self._local.count > MUCH:
                time.sleep(COLLECT_SECONDS)
            self._woken.clear()
            self._pop_alarms()
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
                self._local.isolate_failed_write()
                self._try_again()
            if not self._local.count and not self._woken.is_set():
                connection.close()
                self._idle.set()
        connection.close()
        self._idle.set()

    def _fields(self) -> dict[str, object]:
        return {"count": self._local.count, "retry_seconds": RETRY_SECONDS}

    def _try_again(self) -> None:
        connection.close()
        time.sleep(RETRY_SECONDS)
        self._woken.set()

    def _is_over(self) -> bool:
        if not (self._stop.is_set() or not threading.main_thread().is_alive()):
            return False
        self._stopped_at = self._stopped_at or time.monotonic()
        return not self._local.count or time.monotonic() - self._stopped_at > settings.WORKER_GRACE_SECONDS

    def _pause(self) -> float:
        """Return how long the dispatcher may sleep."""
        return min(LOOK_SECONDS, max(0.0, self._alarms[0] - time.monotonic())) if self._alarms else LOOK_SECONDS

    def _pop_alarms(self) -> bool:
        """Remove the alarms that are due. Returns whether there were any."""
        rang = False
        while self._alarms and self._alarms[0] <= time.monotonic():
            heapq.heappop(self._alarms)
            rang = True
        return rang

    def _turn(self) -> tuple[Callable[[], None], bool]:
        """Record, renew and claim, in one transaction. Returns what to do after the commit, and whether to continue."""
        stopping = self._stopped_at is not None or self._stop.is_set()
        batch = self._local.collect(stopping)
        claim: ClaimResult | None = None
        with transaction.atomic():
            after_commit = outcomes.record(batch.ended)
            leases.release(batch.released)
            leases.store_transforms(batch.transformed)
            renewed, until = leases.renew(batch.to_renew), time.monotonic() + settings.LEASE_SECONDS
            if not stopping and batch.threads > 0:
                claim = self._claimer.claim(batch.in_flight, batch.threads, batch.slow_threads)
        for claimed in batch.to_renew:
            claimed.lease_until = until if claimed.id in renewed else 0.0
        self._local.settle(batch, claim)
        self._start_threads()
        for each in batch.ended:
            if each.due_at is not None:
                self._set_alarm((each.due_at - datetime.now(UTC)).total_seconds())
        if claim is not None and claim.again_seconds is not None:
            self._set_alarm(claim.again_seconds)
        return after_commit, claim is not None and claim.more

    def _set_alarm(self, seconds: float) -> None:
        """Wake the dispatcher again in a while, if that is soon."""
        if seconds < SOON_SECONDS and len(self._alarms) < MOST_ALARMS:
            heapq.heappush(self._alarms, time.monotonic() + max(0.0, seconds))

    def _start_threads(self) -> None:
        needed = min(self._local.most_threads, self._local.running)
        while self._threads < needed:
            self._threads += 1
            threading.Thread(target=self._work, name=f"webhooks-{self._threads}", daemon=True).start()

    # --- the threads that send ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            claimed = self._local.ready.get()
            with delivery_logging(claimed):
                try:
                    self._do(claimed)
                except Exception:  # nothing may end a thread of the pool
                    logger.exception("delivery failed with an internal error and is not retried")
                    self._local.end(internal_failure(claimed, AttemptResult(timezone.now(), shown_url(claimed.target))))
            self._woken.set()

    def _do(self, claimed: ClaimedDelivery) -> None:
        if not self._local.begin(claimed):
            return
        if claimed.needs_transform:
            self._local.start_transform(claimed)
            self._scripts.put(claimed)
        else:
            attempt = transport.send(claimed)
            self._local.end(decide(claimed, attempt, timezone.now()))

    # --- the results of the endpoint's scripts; stored before they are sent -------------------------------------------

    def _transformed(self, claimed: ClaimedDelivery, result: TransformResult | bool | None) -> None:
        if isinstance(result, bool):  # False: the filter excludes it
            self._local.end(filtered_out(claimed))
        else:
            self._local.finish_transform(claimed, result)
        self._woken.set()

    def _script_failed(self, claimed: ClaimedDelivery, why: str) -> None:
        attempt = AttemptResult(timezone.now(), shown_url(claimed.target))
        attempt.error_class, attempt.error = "script", why
        self._local.end(decide(claimed, attempt, timezone.now()))
        self._woken.set()

    def _not_transformed(self, claimed: ClaimedDelivery) -> None:
        self._local.release(claimed)
        self._woken.set()


sender = PerProcess(Sender)
"""The sender of this process."""


def deliver(_: UUID, stop: threading.Event) -> None:
    """Send what is due: the work of an RQ job of the kind `deliver`."""
    sender().serve(stop)
