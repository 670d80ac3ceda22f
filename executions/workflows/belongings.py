"""What belongs to a workflow and what depends on it, shown before it is deleted."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import JSONField, Q
from django.db.models.functions import Cast

from executions.models import Execution, Schedule, WebhookClaim, Workflow

MOST_COUNTED = 10_000
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Belongings:
    """Executions are counted up to `MOST_COUNTED`; paths and callers are listed up to `MOST_NAMED`."""

    executions: int
    more_executions: bool
    running: int
    schedules: int
    webhook_paths: list[str]
    callers: list[str]
    """The names of other workflows that start this one by a node or as their error workflow."""


def belongings(workflow: Workflow) -> Belongings:
    """Return what belongs to a workflow."""
    executions = Execution.objects.filter(workflow=workflow).order_by()
    counted = executions[: MOST_COUNTED + 1].count()
    routes = WebhookClaim.objects.filter(workflow=workflow).order_by("route")
    return Belongings(
        executions=min(counted, MOST_COUNTED),
        more_executions=counted > MOST_COUNTED,
        running=executions.filter(ended_at__isnull=True).count(),
        schedules=Schedule.objects.filter(workflow=workflow).count(),
        webhook_paths=[f"/hooks/{path}" for path in routes.values_list("route_id", flat=True)[:MOST_NAMED]],
        callers=_callers(workflow),
    )


def _callers(workflow: Workflow) -> list[str]:
    names = [str(workflow.pk), workflow.name]
    calls = [[{"type": "execute_workflow", "parameters": {"workflow": name}}] for name in names]
    others = Workflow.objects.filter(workspace=workflow.workspace_id, deleted_at__isnull=True).exclude(pk=workflow.pk)
    others = others.annotate(
        its_nodes=Cast("latest_version__nodes", JSONField()), its_settings=Cast("latest_version__settings", JSONField())
    )
    starts = Q(its_nodes__contains=calls[0]) | Q(its_nodes__contains=calls[1])
    calling = others.filter(starts | Q(its_settings__error_workflow=str(workflow.pk)))
    return list(calling.order_by("name").values_list("name", flat=True)[:MOST_NAMED])
