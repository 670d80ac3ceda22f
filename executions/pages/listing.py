"""Queries of the pages: rows of executions, the activity of the last hour, workflows with their latest runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject, TruncMinute
from django.utils import timezone

from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, Workflow
from workflow_platform.core import charts
from workflow_platform.core.accounts.models import User

FAILED = [ExecutionStatus.FAILED.value, ExecutionStatus.TIMED_OUT.value]
UNENDED = [status.value for status in ExecutionStatus if not status.ended]
MINUTES = 60
RECENT_RUNS = 10


def row_fields() -> QuerySet[Execution]:
    """Return all executions, with the fields that a row of a list shows. The caller restricts them."""
    rows = Execution.objects.select_related("workflow", "version", "created_by", "workspace")
    return rows.defer("input", "version__nodes", "version__edges", "workflow__description")


def activity(user: User, workspaces: Sequence[UUID] | None = None) -> dict[str, Any]:
    """Count the active live executions, and those that ended in the last hour, by minute: `{running, queued, waiting,
    completed, failed, success, chart}`. `success` is a percentage; None if no execution ended. Only of these
    `workspaces`, which the user may see; by default of all."""
    executions = Execution.objects.visible_to(user).live().order_by()
    if workspaces is not None:
        executions = Execution.objects.filter(workspace__in=workspaces).live().order_by()
    now = timezone.now()
    active = dict(executions.filter(status__in=UNENDED).values_list("status").annotate(Count("pk")))
    minutes: list[Any] = list(
        executions.filter(ended_at__gte=now - timedelta(minutes=MINUTES))
        .annotate(minute=TruncMinute("ended_at"))
        .values("minute")
        .annotate(
            completed=Count("pk", filter=Q(status=ExecutionStatus.COMPLETED.value)),
            failed=Count("pk", filter=Q(status__in=FAILED)),
        )
    )
    completed, failed = sum(m["completed"] for m in minutes), sum(m["failed"] for m in minutes)
    return {
        "running": active.get(ExecutionStatus.RUNNING.value, 0),
        "queued": active.get(ExecutionStatus.QUEUED.value, 0),
        "waiting": active.get(ExecutionStatus.WAITING.value, 0) + active.get(ExecutionStatus.PAUSED.value, 0),
        "completed": completed,
        "failed": failed,
        "success": round(100 * completed / (completed + failed)) if completed + failed else None,
        "chart": _chart(minutes, now),
    }


def _chart(minutes: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """Return a bar chart of the minutes, the oldest first."""
    by_minute = {each["minute"]: each for each in minutes}
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    moments = [first + timedelta(minutes=index) for index in range(MINUTES)]
    counts = [by_minute.get(moment, {}) for moment in moments]
    return charts.stacked(counts, ["completed", "failed"], moments)


def workflows_with_runs(user: User, text: str = "") -> QuerySet[Workflow]:
    """Return the workflows that the user may see, each with `runs`: its latest live executions, newest first."""
    runs = Execution.objects.filter(workflow=OuterRef("pk")).live().order_by("-id")
    fields = JSONObject(id="id", status="status", queued_at="queued_at")
    rows = Workflow.objects.visible_to(user).filter(deleted_at__isnull=True)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(description__icontains=text))
    return (
        rows.select_related("latest_version", "workspace")
        .annotate(runs=ArraySubquery(runs.values(run=fields)[:RECENT_RUNS]))
        .order_by("name", "id")
    )
