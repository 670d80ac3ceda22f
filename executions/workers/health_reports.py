"""The scheduler's reports on the stream `system`: the health of the installation, and its queues.

They run in a separate thread, so that a slow response does not delay the scheduler. Several schedulers report once.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

import django_rq
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from redis.exceptions import RedisError

from events.bus import system_events
from executions.admission.admission import ACTIVE, COUNTED, RATE_PART, limit_parameters
from executions.admission.live_workers import count_live_workers, live_workers
from executions.admission.rq_queues import PRIORITIES
from workflow_platform.core.backoff import around

logger = logging.getLogger(__name__)

HEALTH_SOURCE, QUEUE_SOURCE = "executions.health", "executions.queues"
LOOK_SECONDS = 2.0
HEALTH_EVERY = timedelta(minutes=1)
QUEUE_EVERY = timedelta(seconds=30)
REPORTED_AFTER_SECONDS = 1.0
"""Executions that are queued for a shorter time are not reported."""
LONG_AGO = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReportedState:
    """The state whose change is reported at once. `workers` is None if Redis does not respond."""

    workers: int | None
    starving: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """Return the state as a sentence."""
        if self.workers is None:
            return "The database responds, but Redis does not: workers receive no jobs."
        alive = {0: "no worker is running", 1: "1 worker is running"}.get(
            self.workers, f"{self.workers} workers are running"
        )
        starving = f"; overloaded: {', '.join(self.starving)}" if self.starving else ""
        return f"Database and Redis respond; {alive}{starving}."

    @property
    def figures(self) -> dict[str, float]:
        """Return the state as figures of the event."""
        return {
            "database": 1.0,
            "redis": float(self.workers is not None),
            "workers": float(self.workers or 0),
            "starving": float(len(self.starving)),
        }


class HealthReport:
    """`system.health_check`: once a minute, and at once after a change."""

    def __init__(self, every: timedelta = HEALTH_EVERY) -> None:
        self._every = every
        self._reported: ReportedState | None = None
        self._reported_at = timezone.now() - LONG_AGO
        self._away_since: float | None = None

    def database_is_away(self) -> None:
        """Remember to report the outage once the database is back."""
        self._away_since = self._away_since or time.monotonic()

    def look(self) -> None:
        """Check, and report if a report is due. Raises DatabaseError."""
        began = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        database_done = time.monotonic()
        workers = live_workers()
        state = ReportedState(None) if workers is None else ReportedState(workers.alive, tuple(workers.starving))
        took = {"database_ms": database_done - began, "redis_ms": time.monotonic() - database_done}
        changed = state != self._reported or self._away_since is not None
        if not changed and timezone.now() - self._reported_at < self._every:
            return
        with system_events.exclusive_emit():
            self._report(state, {name: round(seconds * 1000, 1) for name, seconds in took.items()})

    def _report(self, state: ReportedState, took: dict[str, float]) -> None:
        now, message = timezone.now(), state.message
        away = 0.0
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            message += f" The database did not respond for {away:.0f} s."
        last = system_events.last_emitted("health_check", HEALTH_SOURCE, now - self._every)
        known = last is not None and state.figures.items() <= last.data["figures"].items()
        if last is not None and known and last.happened_at > now - timedelta(seconds=away or LONG_AGO.total_seconds()):
            self._reported_at = last.happened_at  # another scheduler has reported
        else:
            values = state.figures | took
            system_events.emit(
                "health_check", source=HEALTH_SOURCE, component="platform", message=message, figures=values
            )
            self._reported_at = now
        self._reported, self._away_since = state, None


_QUEUED = """
SELECT count(*), COALESCE(extract(epoch FROM clock_timestamp() - min(queued_at)), 0)::float8,
  count(*) FILTER (WHERE admitted_at IS NOT NULL) FROM executions_execution WHERE status = 'queued'
"""
_REASONS = f"""
WITH active AS MATERIALIZED (
  SELECT workspace_id, workflow_id, concurrency_key, mode = 'live' AS live FROM executions_execution WHERE {ACTIVE}
), {COUNTED}, line AS MATERIALIZED (
  SELECT workspace_id, workflow_id, concurrency_key, mode = 'live' AS live, count(*) AS n FROM executions_execution
  WHERE admitted_at IS NULL AND status = 'queued' GROUP BY 1, 2, 3, 4
), reasons AS (
  SELECT line.n, CASE
    WHEN k.n >= w.max_concurrent_per_key THEN 'key_concurrency'
    WHEN f.n >= w.max_concurrent THEN 'workflow_concurrency'
    WHEN (SELECT sum(b.starts + CASE WHEN line.live THEN 0 ELSE b.test_starts END)
      FROM executions_ratebucket b WHERE b.workflow_id = w.id
      AND b.began_at > clock_timestamp() - make_interval(secs => w.rate_seconds + {RATE_PART})) >= w.rate_limit
      THEN 'rate_limit'
    WHEN p.n >= COALESCE(s.max_concurrent, %(workspace_cap)s) THEN 'workspace_concurrency'
    WHEN (SELECT count(*) FROM active) >= %(cap)s THEN 'cluster_concurrency'
    ELSE 'on_its_way' END AS reason
  FROM line JOIN executions_workflow w ON w.id = line.workflow_id JOIN accounts_workspace s ON s.id = line.workspace_id
  LEFT JOIN (SELECT workflow_id, concurrency_key, for_live, count(*) AS n FROM counted GROUP BY 1, 2, 3) k
    ON k.workflow_id = line.workflow_id AND k.concurrency_key = line.concurrency_key AND k.for_live = line.live
  LEFT JOIN (SELECT workflow_id, for_live, count(*) AS n FROM counted GROUP BY 1, 2) f
    ON f.workflow_id = line.workflow_id AND f.for_live = line.live
  LEFT JOIN (SELECT workspace_id, count(*) AS n FROM active GROUP BY 1) p ON p.workspace_id = line.workspace_id
)
SELECT reason, sum(n)::float8 FROM reasons GROUP BY reason
"""  # noqa: S608 - nothing from outside is in it


class QueueReport:
    """`system.queue_status`: twice a minute while executions are queued, and once when the queue becomes empty."""

    def __init__(self, every: timedelta = QUEUE_EVERY) -> None:
        self._every = every
        self._reported_at = timezone.now() - LONG_AGO
        self._reported_queued = False

    def look(self) -> None:
        """Check, and report if a report is due. Raises DatabaseError."""
        with connection.cursor() as cursor:
            cursor.execute(_QUEUED)
            queued, oldest, admitted = cursor.fetchone()
        reportable = queued and oldest >= REPORTED_AFTER_SECONDS
        due = timezone.now() - self._reported_at >= self._every
        if not (reportable and due) and not (self._reported_queued and not queued):
            return
        values = {"queued": float(queued), "oldest_seconds": round(oldest, 1)}
        if queued:
            values |= _reasons(admitted) | _jobs()
        with system_events.exclusive_emit():
            self._report(values)

    def _report(self, values: dict[str, float]) -> None:
        now, queued = timezone.now(), int(values["queued"])
        since = now - (self._every if queued else LONG_AGO)
        last = system_events.last_emitted("queue_status", QUEUE_SOURCE, since)
        if last is not None and (queued or not last.data["figures"]["queued"]):
            self._reported_at = last.happened_at  # another scheduler has reported
        else:
            message = _sentence(queued, values) if queued else "The queue is empty again."
            system_events.emit("queue_status", source=QUEUE_SOURCE, component="queues", message=message, figures=values)
            self._reported_at = now
        self._reported_queued = queued > 0


def _reasons(admitted: int) -> dict[str, float]:
    """Return the number of queued executions by reason: the narrowest limit that is reached, as on their pages."""
    with connection.cursor() as cursor:
        cursor.execute(_REASONS, limit_parameters())
        reasons: dict[str, float] = dict(cursor.fetchall())
    return reasons | ({"admitted": float(admitted)} if admitted else {})


def _jobs() -> dict[str, float]:
    """Return the lengths of RQ's queues and the number of workers; empty if Redis does not respond."""
    try:
        lengths = {f"jobs_{name}": float(django_rq.get_queue(name).count) for name in PRIORITIES}
    except RedisError:
        return {}
    return lengths | {
        "workers": float(count_live_workers() or 0),
        "places_per_worker": float(settings.WORKER_CONCURRENCY),
    }


def _sentence(queued: int, values: dict[str, float]) -> str:
    one = queued == 1
    message = (
        f"{queued} {'execution is' if one else 'executions are'} queued, the oldest for {values['oldest_seconds']:g} s"
    )
    words = {
        "key_concurrency": "waiting for the limit of a key",
        "workflow_concurrency": "for the limit of a workflow",
        "rate_limit": "for a rate limit",
        "workspace_concurrency": "for the limit of a workspace",
        "cluster_concurrency": "for the limit of the installation",
        "on_its_way": "about to be admitted",
        "admitted": "admitted and waiting for a worker",
    }
    parts = [f"{values[name]:g} {text}" for name, text in words.items() if name in values]
    if values.get("workers") == 0:
        parts.append("no worker is running")
    return f"{message}: {', '.join(parts)}."


class Reports:
    """Checks periodically, in a thread, until the process stops."""

    def __init__(self) -> None:
        self._health, self._queues = HealthReport(), QueueReport()

    def start(self, stop: threading.Event) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, args=(stop,), name="reports", daemon=True).start()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(around(LOOK_SECONDS, 0.2)):
            try:
                self._health.look()
                self._queues.look()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("system health not reported: %s; trying again with the next report", error)
                self._health.database_is_away()
            except Exception:
                logger.exception("system health not reported; trying again with the next report")
            finally:
                connection.close()
