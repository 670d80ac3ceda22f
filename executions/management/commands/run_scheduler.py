"""`manage.py run_scheduler`: fires due schedules, recovers executions of lost workers, resumes due waits, scales the
workers, removes old history and deliveries, and reports the health of the installation."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection
from redis.exceptions import RedisError

from events.bus import system_events
from events.replay import jobs as replays
from events.replay.unwatched import end_unwatched
from events.retention.housekeeping import Housekeeping
from executions import binaries
from executions.bulk import jobs as bulk_jobs
from executions.engine import node_deliveries
from executions.engine.lease import worker_name
from executions.insights import InsightThread
from executions.notifications import clearing, emails
from executions.notifications.consumer import NotificationThread
from executions.rollups import RollupThread
from executions.search import Indexer
from executions.triggers import schedules
from executions.workers import recovery
from executions.workers.autoscaling import Scaler
from executions.workers.health_reports import Reports
from webhooks.maintenance.thread import Upkeep
from webhooks.operations import jobs as operation_jobs
from webhooks.sending import sweeper
from workflow_platform.core.accounts import audit, idempotency, invitations, login_limit, refresh_tokens, removal
from workflow_platform.core.logs import log_uncaught_exceptions, set_process_fields

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25
RETRY_SECONDS = 1.0
FORGET_SECONDS = 60.0
OPERATIONS_SECONDS = 1.0
WAITS_SECONDS = 2.0
EMAILS_SECONDS = 5.0
REPORT_SECONDS = 60.0
"""The interval of system events about a task that keeps failing."""
REPORTED_AFTER_SECONDS = 2.0
"""The recovery of a task that failed for a shorter time, for example by a deadlock, is not reported."""
SOURCE = "executions.scheduler"
AWAY = (OperationalError, InterfaceError, RedisError)


class Command(BaseCommand):
    help = "Fire due schedules and recover executions after crashes. Several schedulers can run at the same time."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        component = f"scheduler {worker_name()}"
        set_process_fields("scheduler")
        log_uncaught_exceptions()
        system_events.started(component)
        Reports().start(stop)
        Housekeeping().start()
        Upkeep().start()
        notifications = NotificationThread()
        notifications.start()
        Indexer().start(stop)
        RollupThread().start()
        InsightThread().start()
        sweeps = [
            Sweep("idempotency keys", idempotency.sweep, FORGET_SECONDS),
            Sweep("login counters", login_limit.sweep, FORGET_SECONDS),
            Sweep("expired logins", refresh_tokens.sweep, FORGET_SECONDS),
            Sweep("old invitations", invitations.sweep, FORGET_SECONDS),
            Sweep("old notifications", clearing.sweep, FORGET_SECONDS),
            Sweep("old audit entries", audit.sweep, FORGET_SECONDS),
            Sweep("unused files", binaries.sweep, FORGET_SECONDS),
            Sweep("expired replays", replays.sweep_expired, FORGET_SECONDS),
            Sweep("replays without watchers", end_unwatched, FORGET_SECONDS),
            Sweep("schedules", schedules.fire_due),
            Sweep("recovery", _recover),
            Sweep("number of workers", Scaler().step),
            Sweep("replays", replays.sweep_due),
            Sweep("deliveries", sweeper.sweep),
            Sweep("waits for deliveries", node_deliveries.sweep, WAITS_SECONDS),
            Sweep("emails of notifications", emails.sweep, EMAILS_SECONDS),
            Sweep("operations on deliveries", operation_jobs.sweep, OPERATIONS_SECONDS),
            Sweep("operations on executions", bulk_jobs.sweep, OPERATIONS_SECONDS),
            Sweep("removal of workspaces", removal.sweep, WAITS_SECONDS),
        ]
        while not stop.wait(INTERVAL_SECONDS):
            try:
                for sweep in sweeps:
                    sweep.run(component)
            except AWAY as error:
                logger.warning(
                    "scheduler sweep failed: %s; retrying in %g s",
                    error,
                    RETRY_SECONDS,
                    extra={"retry_seconds": RETRY_SECONDS},
                )
                connection.close()
                stop.wait(RETRY_SECONDS)
        notifications.stop()
        system_events.stopped(component)


def _recover() -> None:
    if count := recovery.sweep():
        logger.info("%d executions of lost workers queued again", count, extra={"count": count})


class Sweep:
    """A task of the scheduler: runs every `every` seconds, and reports repeated failures."""

    def __init__(self, name: str, work: Callable[[], object], every: float = 0.0) -> None:
        self.name, self._work, self._every = name, work, every
        self._done_at = self._reported_at = float("-inf")
        self._failing_since: float | None = None
        self._failures = 0
        self._why = ""

    def run(self, component: str) -> None:
        """Run the task if it is due. Raises the errors of an unreachable server; logs all other errors."""
        now = time.monotonic()
        if now - self._done_at < self._every:
            return
        try:
            self._work()
        except AWAY as error:
            self._note(error)
            raise
        except Exception as error:
            logger.exception(
                "scheduler task failed; retrying in %g s",
                INTERVAL_SECONDS,
                extra={"task": self.name, "failures": self._failures + 1, "retry_seconds": INTERVAL_SECONDS},
            )
            self._note(error)
            if now - self._reported_at > REPORT_SECONDS:
                self._report(component, "has failed for")
            return
        self._done_at = now
        if self._failing_since is not None:
            if now - self._failing_since > REPORTED_AFTER_SECONDS:
                self._report(component, "works again after")
            self._failing_since, self._failures = None, 0

    def _note(self, error: Exception) -> None:
        self._failing_since = self._failing_since or time.monotonic()
        self._failures += 1
        self._why = f"{type(error).__name__}: {error}"

    def _report(self, component: str, how: str) -> None:
        assert self._failing_since is not None
        lasted = time.monotonic() - self._failing_since
        self._reported_at = time.monotonic()
        message = f"The scheduler task {self.name} {how} {lasted:.0f} s: {self._why}"[:500]
        figures = {"failures": float(self._failures), "seconds": round(lasted, 1)}
        system_events.emit("error", source=SOURCE, component=component, message=message, figures=figures)
