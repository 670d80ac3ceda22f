"""What holds throughput back at this moment: queues, limits, workers, and for staff the database and Redis.

A wait is by Little's law: those that wait, divided by the arrivals a second. One statement reads the queues, one the
limits; both use only indexes of unended and of recent executions.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from events.log.partitions import first_id
from executions.admission import rq_queues
from executions.admission.admission import ACTIVE, RATE_PART, limit_parameters
from executions.admission.explanation import Reason
from executions.admission.live_workers import live_workers
from executions.insights import platform_samples
from executions.insights.platform_samples import COMMITS, REDIS, PlatformMeasures
from workflow_platform.core.redis_server import patient_client

SPAN = timedelta(minutes=1)
"""Arrivals are counted over this time."""
MOST_LIMITS = 20

_QUEUES = """
WITH seen AS (
  SELECT CASE WHEN mode = 'live' THEN priority ELSE 'low' END AS queue, status, queued_at, true AS arrived
  FROM executions_execution WHERE workspace_id = ANY(%(workspaces)s) AND id >= %(first)s
  UNION ALL
  SELECT CASE WHEN mode = 'live' THEN priority ELSE 'low' END, status, queued_at, false
  FROM executions_execution WHERE status = 'queued' AND workspace_id = ANY(%(workspaces)s)
)
SELECT queue, count(*) FILTER (WHERE arrived), count(*) FILTER (WHERE NOT arrived),
  COALESCE(extract(epoch FROM clock_timestamp() - min(queued_at) FILTER (WHERE NOT arrived)), 0)::float8
FROM seen GROUP BY 1
"""
_LIMITS = f"""
WITH active AS MATERIALIZED (
  SELECT workspace_id, workflow_id, status FROM executions_execution WHERE {ACTIVE}
), waiting AS MATERIALIZED (
  SELECT workflow_id, workspace_id, count(*) FILTER (WHERE admitted_at IS NULL) AS held,
    count(*) FILTER (WHERE admitted_at IS NOT NULL) AS admitted
  FROM executions_execution WHERE status = 'queued' AND workspace_id = ANY(%(workspaces)s) GROUP BY 1, 2
), of_workflow AS (SELECT workflow_id, count(*) AS n FROM active GROUP BY 1
), of_workspace AS (SELECT workspace_id, count(*) AS n FROM active GROUP BY 1
), arrived AS (
  SELECT workflow_id, count(*) AS n FROM executions_execution
  WHERE workspace_id = ANY(%(workspaces)s) AND id >= %(first)s GROUP BY 1
)
SELECT w.id, w.name, w.workspace_id, s.name, l.held, l.admitted, COALESCE(r.n, 0), COALESCE(a.n, 0),
  w.max_concurrent, w.max_concurrent_per_key, w.rate_limit, COALESCE(spent.n, 0),
  COALESCE(o.n, 0), COALESCE(s.max_concurrent, %(workspace_cap)s),
  (SELECT count(*) FROM active), (SELECT count(*) FROM active WHERE status = 'running')
FROM (SELECT 1) one LEFT JOIN waiting l ON true LEFT JOIN executions_workflow w ON w.id = l.workflow_id
LEFT JOIN accounts_workspace s ON s.id = w.workspace_id
LEFT JOIN of_workflow a ON a.workflow_id = w.id LEFT JOIN of_workspace o ON o.workspace_id = w.workspace_id
LEFT JOIN arrived r ON r.workflow_id = w.id
LEFT JOIN LATERAL (
  SELECT sum(b.starts) AS n FROM executions_ratebucket b WHERE b.workflow_id = w.id
    AND b.began_at > clock_timestamp() - make_interval(secs => w.rate_seconds + {RATE_PART})) spent ON true
"""  # noqa: S608 - nothing from outside is in it


@dataclass(frozen=True, slots=True)
class QueueNow:
    """A queue, of one priority: `wait_s` is for how long a new execution waits, None without arrivals."""

    queue: str
    arrivals_per_s: float
    waiting: int
    wait_s: float | None
    oldest_s: float


@dataclass(frozen=True, slots=True)
class LimitNow:
    """A limit that is reached while executions wait for it."""

    reason: Reason
    name: str
    workflow: UUID | None
    workspace: UUID | None
    limit: int
    in_use: int
    waiting: int
    wait_s: float | None


@dataclass(frozen=True, slots=True)
class WorkersNow:
    """The workers of the installation: None while Redis does not respond."""

    alive: int | None
    slots: int | None
    busy: int
    starving: int


@dataclass(frozen=True, slots=True)
class ServerNow:
    """The database or Redis: this request's round trip, what processes measured lately, and what is usual."""

    round_trip_s: float | None
    mean_s: float | None
    p95_s: float | None
    usual_mean_s: float | None
    connections: int | None = None
    most_connections: int | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """What holds throughput back now. `database` and `redis` are for staff."""

    queues: list[QueueNow]
    limits: list[LimitNow]
    reasons: dict[Reason, int]
    """How many executions wait, by why."""
    workers: WorkersNow
    database: ServerNow | None = None
    redis: ServerNow | None = None

    @property
    def waiting(self) -> int:
        """Return how many executions wait."""
        return sum(self.reasons.values())

    @property
    def bottleneck(self) -> Reason | None:
        """Return why most of them wait; None if none is held back."""
        held = [(n, reason) for reason, n in self.reasons.items() if reason != "on_its_way"]
        return max(held)[1] if held else None


@dataclass(frozen=True, slots=True)
class WaitingWorkflow:
    """A workflow with queued executions, and the limits that apply to them."""

    id: UUID
    name: str
    workspace: UUID
    workspace_name: str
    held: int
    """That wait for a limit."""
    admitted: int
    """That wait for a worker."""
    arrived: int
    active: int
    limit: int | None
    key_limit: int | None
    rate_limit: int | None
    started: int
    workspace_active: int
    workspace_limit: int
    cluster_active: int
    running: int

    def reached(self) -> tuple[Reason, int, int] | None:
        """Return the narrowest limit that is reached, the limit and its use, as `admission.explanation` names it. Which
        values of a key are full is not looked at: a limit by key is named if no other one holds the workflow."""
        if self.limit is not None and self.active >= self.limit:
            return "workflow_concurrency", self.limit, self.active
        if self.rate_limit is not None and self.started >= self.rate_limit:
            return "rate_limit", self.rate_limit, self.started
        if self.workspace_active >= self.workspace_limit:
            return "workspace_concurrency", self.workspace_limit, self.workspace_active
        cap = settings.PERF_MAX_CONCURRENT_EXECUTIONS
        if self.cluster_active >= cap:
            return "cluster_concurrency", cap, self.cluster_active
        if self.key_limit is not None:
            return "key_concurrency", self.key_limit, self.active
        return None


def look(workspaces: Sequence[UUID], *, staff: bool) -> Now:
    """Return what holds the executions of these workspaces back now; to staff also the state of the servers."""
    first = first_id(timezone.now() - SPAN)
    parameters = {"workspaces": list(workspaces), "first": first, **limit_parameters()}
    with connection.cursor() as cursor:
        cursor.execute(_QUEUES, parameters)
        queues = _queues(cursor.fetchall())
        cursor.execute(_LIMITS, parameters)
        rows = cursor.fetchall()
    workers = _workers(running=rows[0][-1])
    reasons, limits = decide([WaitingWorkflow(*row) for row in rows if row[0] is not None], workers)
    database, redis_ = _servers() if staff else (None, None)
    return Now(queues, limits, reasons, workers, database, redis_)


def decide(waiting: Iterable[WaitingWorkflow], workers: WorkersNow) -> tuple[dict[Reason, int], list[LimitNow]]:
    """Return how many executions wait by why, and the limits that hold some back, the most waiting first."""
    reasons: Counter[Reason] = Counter()
    limits: dict[tuple[Reason, UUID | None], LimitNow] = {}
    for each in waiting:
        reasons[_reason_of_admitted(workers)] += each.admitted
        if each.held:
            reached = each.reached()
            reasons[reached[0] if reached else "on_its_way"] += each.held
            if reached:
                _add(limits, each, *reached)
    shown = sorted(limits.values(), key=lambda limit: -limit.waiting)[:MOST_LIMITS]
    return {reason: n for reason, n in reasons.most_common() if n}, shown


def _add(
    limits: dict[tuple[Reason, UUID | None], LimitNow], each: WaitingWorkflow, reason: Reason, limit: int, used: int
) -> None:
    """Add the workflow's executions to the limit that holds them, which may be shared."""
    name, workflow, workspace = {
        "cluster_concurrency": ("", None, None),
        "workspace_concurrency": (each.workspace_name, None, each.workspace),
    }.get(reason, (each.name, each.id, each.workspace))
    known = limits.get((reason, workflow or workspace))
    waiting = each.held + (known.waiting if known else 0)
    earlier = known.waiting / known.wait_s if known and known.wait_s else 0.0
    rate = each.arrived / SPAN.total_seconds() + earlier
    limits[reason, workflow or workspace] = LimitNow(
        reason, name, workflow, workspace, limit, used, waiting, waiting / rate if rate else None
    )


def _reason_of_admitted(workers: WorkersNow) -> Reason:
    if not workers.alive:
        return "no_worker"
    return "workers_busy" if workers.busy >= (workers.slots or 0) else "on_its_way"


def _queues(rows: Iterable[tuple[str, int, int, float]]) -> list[QueueNow]:
    found = {queue: (arrived, waiting, oldest) for queue, arrived, waiting, oldest in rows}
    queues = []
    for queue in rq_queues.PRIORITIES:
        arrived, waiting, oldest = found.get(queue, (0, 0, 0.0))
        rate = arrived / SPAN.total_seconds()
        queues.append(QueueNow(queue, rate, waiting, waiting / rate if rate else None, oldest))
    return queues


def _workers(running: int) -> WorkersNow:
    workers = live_workers()
    if workers is None:
        return WorkersNow(None, None, running, 0)
    return WorkersNow(workers.alive, workers.alive * settings.WORKER_CONCURRENCY, running, len(workers.starving))


def _servers() -> tuple[ServerNow, ServerNow]:
    """Return the state of the database and of Redis."""
    measured = platform_samples.measured()
    with connection.cursor() as cursor:
        began = time.monotonic()
        cursor.execute("SELECT 1")
        took = time.monotonic() - began
    database = ServerNow(took, *_timings(measured, COMMITS), *platform_samples.connections())
    return database, ServerNow(_ping(), *_timings(measured, REDIS))


def _timings(measured: PlatformMeasures | None, name: str) -> tuple[float | None, float | None, float | None]:
    """Return the mean, the 95 % bound and the usual mean; None where nothing is known."""
    if measured is None:
        return None, None, None
    now, usual = measured.now[name], measured.usual[name]
    return now.mean_s if now.n else None, now.p95_s if now.n else None, usual.mean_s if usual.n else None


def _ping() -> float | None:
    """Return the round trip to Redis; None if it does not respond."""
    try:
        with patient_client() as client:
            client.ping()
            began = time.monotonic()
            client.ping()
            return time.monotonic() - began
    except redis.RedisError:
        return None
