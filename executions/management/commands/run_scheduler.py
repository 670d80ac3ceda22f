"""`manage.py run_scheduler`: fires due schedules, recovers executions of lost workers, resumes due waits, scales the
workers, removes old history and deliveries, and reports the health of the installation."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, OperationalError, connection
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
from executions.otlp.consumer import TraceThreads
from executions.rollups import RollupThread
from executions.search import Indexer
from executions.triggers import schedules
from executions.workers import autoscaling, recovery
from executions.workers.autoscaling import Scaler
from executions.workers.due_work import DueWork
from executions.workers.health_reports import Reports
from webhooks.maintenance.thread import Upkeep
from webhooks.operations import jobs as operation_jobs
from webhooks.sending import sweeper
from workflow_platform.core.accounts import audit, idempotency, invitations, login_limit, refresh_tokens, removal
from workflow_platform.core.logs import log_uncaught_exceptions, set_process_fields
from workflow_platform.core.metrics import reporting, store
from workflow_platform.core.telemetry import sentry

logger = logging.getLogger(__name__)

INTERVAL_SECONDS, QUIET_INTERVAL_SECONDS = 0.25, 0.5
"""The longest pauses between two looks at what is due: while something is, and while nothing is. The scheduler sleeps
less if something is due before."""
SHORTEST_PAUSE_SECONDS = 0.01
AT_LEAST_SECONDS = 30.0
"""A task runs this often even if nothing seems to be due."""
WORKERS_SECONDS = 5.0
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
        reporting.start("scheduler")
        sentry.start("scheduler")
        log_uncaught_exceptions()
        system_events.started(component)
        Reports().start(stop)
        Housekeeping().start()
        Upkeep().start()
        notifications = NotificationThread()
        notifications.start()
        traces = TraceThreads()
        traces.start()
        Indexer().start(stop)
        RollupThread().start()
        InsightThread().start()
        sweeps = [
            Sweep("idempotency keys", idempotency.sweep, FORGET_SECONDS),
            Sweep("login counters", login_limit.sweep, FORGET_SECONDS),
            Sweep("expired logins", refresh_tokens.sweep, FORGET_SECONDS),
            Sweep("old invitations", invitations.sweep, FORGET_SECONDS),
            Sweep("old notifications", clearing.sweep, FORGET_SECONDS),
            Sweep("metrics", store.keep_reports, FORGET_SECONDS),
            Sweep("old audit entries", audit.sweep, FORGET_SECONDS),
            Sweep("unused files", binaries.sweep, FORGET_SECONDS),
            Sweep("expired replays", replays.sweep_expired, FORGET_SECONDS),
            Sweep("replays without watchers", end_unwatched, FORGET_SECONDS),
            Sweep("schedules", schedules.fire_due, due=schedules.NEXT_DUE),
            Sweep("recovery", _recover, due=recovery.NEXT_DUE),
            Sweep("number of workers", Scaler().step, due=autoscaling.NEXT_DUE, at_least=WORKERS_SECONDS),
            Sweep("replays", replays.sweep_due, due=replays.NEXT_DUE),
            Sweep("deliveries", sweeper.sweep, due=sweeper.NEXT_DUE),
            Sweep("waits for deliveries", node_deliveries.sweep, WAITS_SECONDS, due=node_deliveries.NEXT_DUE),
            Sweep("emails of notifications", emails.sweep, EMAILS_SECONDS, due=emails.NEXT_DUE),
            Sweep("operations on deliveries", operation_jobs.sweep, OPERATIONS_SECONDS, due=operation_jobs.NEXT_DUE),
            Sweep("operations on executions", bulk_jobs.sweep, OPERATIONS_SECONDS, due=bulk_jobs.NEXT_DUE),
            Sweep("removal of workspaces", removal.sweep, WAITS_SECONDS, due=removal.NEXT_DUE),
        ]
        due_work = DueWork({sweep.name: sweep.due for sweep in sweeps if sweep.due is not None})
        pause = INTERVAL_SECONDS
        while not stop.wait(pause):
            try:
                pause = run_due(sweeps, due_work, component)
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
        traces.stop()
        system_events.stopped(component)


def run_due(sweeps: Sequence[Sweep], due_work: DueWork, component: str) -> float:
    """Run the tasks that have something to do. Returns the seconds until the next look.

    Raises the errors of an unreachable server."""
    try:
        due_in = due_work.seconds_until_due()
    except AWAY:
        raise
    except DatabaseError:
        logger.exception("due work not determined; all tasks of the scheduler run")
        due_in = {sweep.name: 0.0 for sweep in sweeps}
    for sweep in sweeps:
        if sweep.is_wanted(due_in.get(sweep.name, inf)):
            sweep.run(component)
    soon = [due_in[sweep.name] for sweep in sweeps if sweep.at_any_time and due_in.get(sweep.name, 0.0) > 0]
    busy = any(seconds <= 0 for seconds in due_in.values())
    return max(SHORTEST_PAUSE_SECONDS, min([INTERVAL_SECONDS if busy else QUIET_INTERVAL_SECONDS, *soon]))


def _recover() -> None:
    if count := recovery.sweep():
        logger.info("%d executions of lost workers queued again", count, extra={"count": count})


class Sweep:
    """A task of the scheduler: runs at most every `every` seconds, and reports repeated failures.

    `due` is SQL: when the task has something to do (`executions.workers.due_work`). A task without it always has."""

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        every: float = 0.0,
        *,
        due: str | None = None,
        at_least: float = AT_LEAST_SECONDS,
    ) -> None:
        self.name, self._work, self._every, self.due, self._at_least = name, work, every, due, at_least
        self._done_at = self._reported_at = float("-inf")
        self._failing_since: float | None = None
        self._failures = 0
        self._why = ""

    @property
    def at_any_time(self) -> bool:
        """Whether the task runs as soon as it is due."""
        return not self._every

    def is_wanted(self, due_in: float) -> bool:
        """Return whether to run the task, whose work is due in so many seconds."""
        overlooked = time.monotonic() - self._done_at >= self._at_least
        return self.due is None or due_in <= 0 or overlooked or self._failing_since is not None

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
