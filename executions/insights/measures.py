"""What an advice promised to shorten, measured before and after it was applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

from django.db import models
from django.db.models import Avg, Count, QuerySet
from django.utils import timezone

from events.log.partitions import first_id
from executions.domain.statuses import NodeRunStatus
from executions.models import Execution, Insight, InsightKind, InsightStatus, NodeRun, WorkflowVersion

SPAN = timedelta(days=14)
MOST = 300
"""Executions on each side."""
MOST_VERSIONS = 100
LEAST_AFTER = 20
"""Observations after the change, before it is judged."""
MORE_FAILURES = 0.1
"""It made it worse if the share of failed runs has grown by more."""
CONFIRMING = 0.8
"""It helped if what it shortens is at most this share of what it was."""


@dataclass(frozen=True, slots=True)
class InsightMeasure:
    """A figure and the number of observations that it rests on. `value` is None without any."""

    name: str
    n: int
    value: float | None
    failed_share: float | None = None
    """Of a change that may make runs fail: the share that failed, from 0 to 1."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        shown: dict[str, Any] = {"n": self.n, "value": None if self.value is None else round(self.value, 3)}
        return shown if self.failed_share is None else shown | {"failed_share": round(self.failed_share, 3)}


def verdict(before: float | None, after: InsightMeasure) -> InsightStatus | None:
    """Return whether the advice was true; None if it cannot be said yet."""
    if not before or after.value is None or after.n < LEAST_AFTER:
        return None
    return InsightStatus.CONFIRMED if after.value <= CONFIRMING * before else InsightStatus.REFUTED


def is_worse(outcome: dict[str, Any]) -> bool:
    """Return whether an advice that was judged made it worse: it takes longer, or more runs fail."""
    before, after = outcome["before"], outcome["after"] or {}
    if not before["value"] or after.get("value") is None or after["n"] < LEAST_AFTER:
        return False
    more_failures = after.get("failed_share", 0.0) - before.get("failed_share", 0.0)
    return bool(after["value"] > before["value"] or more_failures > MORE_FAILURES)


def measure(insight: Insight, *, since_version: int, until_version: int | None = None) -> InsightMeasure:
    """Return the figure of the executions with these versions of the workflow."""
    versions = WorkflowVersion.objects.filter(workflow=insight.workflow_id, number__gte=since_version)
    if until_version is not None:
        versions = versions.filter(number__lte=until_version)
    chosen = list(versions.order_by("number").values_list("pk", flat=True)[:MOST_VERSIONS])
    # Ids are in the order of creation: the walk ends with what is too old.
    recent = first_id(timezone.now() - SPAN)
    rows = Execution.objects.live().filter(workflow=insight.workflow_id, version__in=chosen, id__gte=recent)
    rows = rows.filter(cached_from__isnull=True, rerun_of__isnull=True)
    return _MEASURES[InsightKind(insight.kind)](insight, rows.order_by("-id"))


def _wait(insight: Insight, rows: QuerySet[Execution]) -> InsightMeasure:
    times = rows.filter(admitted_at__isnull=False, started_at__isnull=False).values_list(
        "queued_at", "admitted_at", "started_at"
    )[:MOST]
    waits = [
        (admitted - queued).total_seconds()
        for queued, admitted, started in times
        if admitted is not None and started is not None and admitted <= started
    ]
    return InsightMeasure("median_wait_s", len(waits), median(waits) if waits else None)


def _duration(insight: Insight, rows: QuerySet[Execution]) -> InsightMeasure:
    ids = list(rows.values_list("pk", flat=True)[:MOST])
    runs = NodeRun.objects.filter(
        execution__in=ids, node_id=insight.subject["node"], status=NodeRunStatus.COMPLETED.value
    )
    figures = runs.aggregate(n=Count("id"), value=Avg("duration_ms"))
    return InsightMeasure("mean_ms", figures["n"], figures["value"])


def _failure(insight: Insight, rows: QuerySet[Execution]) -> InsightMeasure:
    ids = list(rows.values_list("pk", flat=True)[:MOST])
    runs = NodeRun.objects.filter(execution__in=ids, node_id=insight.subject["node"])
    failed = models.Q(status=NodeRunStatus.FAILED.value)
    ended = runs.filter(failed | models.Q(status=NodeRunStatus.COMPLETED.value))
    figures = ended.aggregate(all=Count("id"), n=Count("id", filter=failed), value=Avg("duration_ms", filter=failed))
    share = figures["n"] / figures["all"] if figures["all"] else None
    return InsightMeasure("mean_failed_ms", figures["n"], figures["value"], share)


_MEASURES: dict[InsightKind, Callable[[Insight, QuerySet[Execution]], InsightMeasure]] = {
    InsightKind.LIMIT_TOO_LOW: _wait,
    InsightKind.CACHE_NODE: _duration,
    InsightKind.RETRY_NEVER_HELPS: _failure,
}
"""The kinds whose advice can be applied."""
