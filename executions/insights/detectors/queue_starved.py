"""Admitted executions that wait for a worker: too few workers, or none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from django.db import connection
from django.utils import timezone

from events.log.partitions import first_id
from executions.admission.live_workers import count_live_workers
from executions.insights.findings import Finding, seconds_text
from executions.models import InsightKind

SPAN = timedelta(minutes=10)
MOST_ROWS = 20_000
LEAST = 10
"""Executions."""
LEAST_WAIT_SECONDS = 5.0
"""Of the median, from admission to the start or until now."""

# The first admission: a later one, after a wait, is after the start. Running ones are few, and so are the waiting.
_WAITS = """
SELECT workspace_id, admitted_at, started_at FROM executions_execution
WHERE mode = 'live' AND id >= %(first)s AND admitted_at >= %(since)s
  AND (started_at IS NULL OR started_at >= admitted_at)
ORDER BY id DESC LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class WorkerWait:
    """How long executions waited for a worker."""

    n: int
    seconds: float
    unstarted: int
    waiting: float
    """How many waited at a time, on average (Little's law)."""


def decide(waits: Sequence[tuple[datetime, datetime | None]], now: datetime, span: float) -> WorkerWait | None:
    """Return the wait for workers, if it is long. `waits` are the times of admission and start."""
    if len(waits) < LEAST:
        return None
    seconds = [((started or now) - admitted).total_seconds() for admitted, started in waits]
    wait = median(seconds)
    if wait < LEAST_WAIT_SECONDS:
        return None
    return WorkerWait(len(waits), wait, sum(started is None for _, started in waits), sum(seconds) / span)


def detect() -> list[Finding]:
    """Return the workspaces whose executions wait for workers."""
    now = timezone.now()
    by_workspace: defaultdict[UUID, list[tuple[datetime, datetime | None]]] = defaultdict(list)
    with connection.cursor() as cursor:
        first = first_id(now - SPAN * 6)
        cursor.execute(_WAITS, {"first": first, "since": now - SPAN, "most": MOST_ROWS})
        for workspace, admitted, started in cursor.fetchall():
            by_workspace[workspace].append((admitted, started))
    found = {workspace: decide(rows, now, SPAN.total_seconds()) for workspace, rows in by_workspace.items()}
    slow = {workspace: wait for workspace, wait in found.items() if wait is not None}
    workers = count_live_workers() if slow else None
    return [_finding(workspace, wait, workers) for workspace, wait in slow.items()]


def _finding(workspace: UUID, wait: WorkerWait, workers: int | None) -> Finding:
    text = (
        f"Executions wait {seconds_text(wait.seconds)} for a worker; {'unknown' if workers is None else workers} live"
    )
    evidence = {
        "n": wait.n,
        "span_s": round(SPAN.total_seconds()),
        "median_wait_s": round(wait.seconds, 3),
        "unstarted": wait.unstarted,
        "mean_waiting": round(wait.waiting, 2),
        "workers": workers,
    }
    figure = {"value": round(wait.seconds, 3), "unit": "s", "text": text}
    return Finding(InsightKind.QUEUE_STARVED, workspace, "workers", {"name": "workers"}, evidence, figure)
