"""Queries of the pages: filtered executions, the activity of the last hour, workflows with their latest runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import CharField, Count, OuterRef, Q, QuerySet
from django.db.models.functions import Cast, JSONObject, TruncMinute
from django.utils import timezone

from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, Mode, Trigger, Workflow
from workflow_platform.core import charts
from workflow_platform.core.accounts.models import User
from workflow_platform.core.accounts.workspace_choice import in_shown_workspace
from workflow_platform.core.api.page_filters import PageFilters

FAILED = [ExecutionStatus.FAILED.value, ExecutionStatus.TIMED_OUT.value]
UNENDED = [status.value for status in ExecutionStatus if not status.ended]
MINUTES = 60
RECENT_RUNS = 14


class ExecutionFilters(PageFilters):
    """The filters of a list of executions."""

    status = forms.MultipleChoiceField(
        required=False, choices=[(s.value, s.value.replace("_", " ")) for s in ExecutionStatus]
    )
    workflow = forms.ModelChoiceField(Workflow.objects.none(), required=False, empty_label="Any workflow")
    mode = forms.ChoiceField(required=False, choices=[("", "Any mode"), *Mode.choices])
    trigger = forms.ChoiceField(required=False, choices=[("", "Any trigger"), *Trigger.choices])
    q = forms.CharField(required=False, max_length=200)

    def __init__(self, data: Any, user: User) -> None:
        super().__init__(data)
        workflows = Workflow.objects.visible_to(user).filter(deleted_at__isnull=True).order_by("name")
        choice = self.fields["workflow"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = workflows
        for name in ("workflow", "mode", "trigger", "range", "since", "until"):
            self.fields[name].widget.attrs["aria-label"] = name.capitalize()

    def filter(self, executions: QuerySet[Execution]) -> QuerySet[Execution]:
        """Return the executions that match the filters."""
        chosen = self.chosen()
        if "status" in chosen:
            executions = executions.filter(status__in=chosen["status"])
        if "workflow" in chosen:
            executions = executions.filter(workflow=chosen["workflow"])
        if "mode" in chosen:
            executions = executions.filter(mode=chosen["mode"])
        if "trigger" in chosen:
            executions = executions.filter(trigger=chosen["trigger"])
        since, until = self.span()
        if since:
            executions = executions.filter(queued_at__gte=since)
        if until:
            executions = executions.filter(queued_at__lt=until)
        return _containing(executions, chosen["q"]) if "q" in chosen else executions


def _containing(executions: QuerySet[Execution], text: str) -> QuerySet[Execution]:
    """Return the executions with the text in their workflow's name or error message, or at the start of their id."""
    return executions.annotate(id_text=Cast("id", CharField())).filter(
        Q(workflow__name__icontains=text) | Q(error__message__icontains=text) | Q(id_text__istartswith=text)
    )


def listed(user: User) -> QuerySet[Execution]:
    """Return the executions that the user may see, newest first, with the fields of a row."""
    rows = Execution.objects.visible_to(user).select_related("workflow", "version", "created_by")
    return rows.defer("input", "version__nodes", "version__edges", "workflow__description").order_by("-id")


def activity(user: User, workflow_id: UUID | None = None) -> dict[str, Any]:
    """Count the active live executions, and those that ended in the last hour, by minute: `{running, queued, waiting,
    completed, failed, success, chart}`. `success` is a percentage; None if no execution ended."""
    executions: QuerySet[Execution] = Execution.objects.visible_to(user).live().order_by()
    executions = executions.filter(workflow_id=workflow_id) if workflow_id else in_shown_workspace(executions, user)
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
    return charts.stacked(counts, ["completed", "failed"], [f"{moment:%H:%M} UTC" for moment in moments])


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
