"""A limit of executions at a time that lets executions wait although the workers have time: recorded arrivals, replayed
with higher limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.conf import settings
from django.utils import timezone

from executions.insights import admission_replay
from executions.insights.admission_replay import Arrival
from executions.insights.findings import Finding, seconds_text
from executions.insights.sample import SampledExecution, WorkflowSample
from executions.models import InsightKind

LEAST = 20
"""Executions."""
LEAST_WAIT_SECONDS = 1.0
"""Of the median."""
MOST_ERROR = 0.25
"""How far the replay with the present limit may be from the waits that were recorded, on average."""
LEAST_GAIN = 0.5
ENOUGH_GAIN = 0.9
"""A limit that removes this share of the median wait is high enough."""
MOST_WORKER_WAIT = 0.2
"""If they wait longer than this share of it for a worker, workers hold them back, not the limit."""
FACTORS = (1.5, 2, 3, 4, 6, 8)


@dataclass(frozen=True, slots=True)
class HigherLimit:
    """A limit that would have shortened the waits, in seconds."""

    limit: int
    median_before: float
    median_after: float
    error: float


def decide(
    arrivals: Sequence[Arrival], recorded: Sequence[float], worker_waits: Sequence[float], limit: int, ceiling: int,
    *, per_key: bool = False,
) -> HigherLimit | None:  # fmt: skip
    """Return the lowest limit that removes most of the wait; None if the limit is not what they wait for."""
    wait = median(recorded)
    if wait < LEAST_WAIT_SECONDS or median(worker_waits) > MOST_WORKER_WAIT * wait:
        return None
    error = admission_replay.error(recorded, admission_replay.waits(arrivals, limit, per_key=per_key))
    if error > MOST_ERROR:
        return None
    best: HigherLimit | None = None
    for higher in sorted({min(ceiling, math.ceil(limit * factor)) for factor in FACTORS} - {limit}):
        after = median(admission_replay.waits(arrivals, higher, per_key=per_key))
        if higher > limit and (best is None or after < best.median_after * 0.9):
            best = HigherLimit(higher, wait, after, error)
        if best is not None and best.median_after <= wait * (1 - ENOUGH_GAIN):
            break
    return best if best is not None and best.median_after <= wait * (1 - LEAST_GAIN) else None


def detect(sample: WorkflowSample) -> list[Finding] | None:
    """Return the advice to raise the limit of the workflow."""
    workflow = sample.workflow
    limit = workflow.max_concurrent or workflow.max_concurrent_per_key
    version = workflow.latest_version
    concurrency = dict(version.settings.get("concurrency") or {}) if version is not None else {}
    if limit is None or concurrency.get("policy", "queue") != "queue":
        return []
    kept = list(_admitted(sample))
    if len(kept) < LEAST:
        return None
    per_key = workflow.max_concurrent_per_key is not None
    arrivals = [_arrival(each) for each in kept]
    recorded = [_seconds(each.queued_at, each.admitted_at) for each in kept]
    workers = [_seconds(each.admitted_at, each.started_at) for each in kept]
    cap = workflow.workspace.max_concurrent or settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS
    ceiling = min(cap, settings.PERF_MAX_CONCURRENT_EXECUTIONS)
    found = decide(arrivals, recorded, workers, limit, ceiling, per_key=per_key)
    if found is None:
        return []
    text = (
        f"Limit {found.limit} instead of {limit}: median wait {seconds_text(found.median_before)} →"
        f" {seconds_text(found.median_after)}"
    )
    evidence = {
        "n": len(kept),
        "span_s": round(sample.span_seconds),
        "limit": limit,
        "proposed": found.limit,
        "per_key": per_key,
        "median_wait_s": round(found.median_before, 3),
        "replayed_wait_s": round(found.median_after, 3),
        "replay_error": round(found.error, 3),
        "median_worker_wait_s": round(median(workers), 3),
        "median_run_s": round(median([each.seconds for each in arrivals]), 3),
    }
    figure = {"value": round(found.median_before - found.median_after, 3), "unit": "s", "text": text}
    action = {
        "type": "set_settings",
        "before": {"concurrency": concurrency},
        "changes": {"concurrency": concurrency | {"limit": found.limit}},
    }
    about = str(workflow.pk)
    return [
        Finding(
            InsightKind.LIMIT_TOO_LOW,
            workflow.workspace_id,
            about,
            sample.subject(),
            evidence,
            figure,
            workflow.pk,
            action,
        )
    ]


def _admitted(sample: WorkflowSample) -> Iterator[SampledExecution]:
    """Yield those whose admission is recorded: after a wait, a later one has replaced the first."""
    for each in sample.executions:
        if each.admitted_at is not None and each.started_at is not None and each.admitted_at <= each.started_at:
            yield each


def _arrival(each: SampledExecution) -> Arrival:
    held = _seconds(each.admitted_at, each.ended_at or timezone.now())
    return Arrival(each.queued_at.timestamp(), each.rank_at.timestamp(), held, each.concurrency_key)


def _seconds(begin: datetime | None, end: datetime | None) -> float:
    return max(0.0, (end - begin).total_seconds()) if begin and end else 0.0
