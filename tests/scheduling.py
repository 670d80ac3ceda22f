"""Workflows with a schedule trigger, in this very process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from executions.models import Schedule, Workflow
from executions.workflows import definitions
from tests.engine import make_workflow
from tests.workflows import edge, node


def scheduled(active: bool = True, **parameters: Any) -> Workflow:
    """Save a workflow with a schedule trigger beside a manual one."""
    nodes = [node("start", "manual_trigger"), node("tick", "schedule_trigger", **parameters), node("end", "no_op")]
    workflow = make_workflow(nodes, [edge("start", "end"), edge("tick", "end")])
    if active:
        definitions.set_active(workflow, True, None)
    return workflow


def fell_due(workflow: Workflow, ago: timedelta) -> Schedule:
    """Make the schedule look as if no scheduler had run since `ago`: its next time is the one that was next then."""
    schedule = workflow.schedules.get()
    schedule.anchor_at -= timedelta(days=400)
    schedule.next_at = schedule.rule.after(timezone.now() - ago)
    schedule.save()
    return schedule


def due_now(workflow: Workflow) -> Schedule:
    schedule = workflow.schedules.get()
    schedule.next_at = timezone.now()
    schedule.save()
    return schedule


def started(workflow: Workflow) -> list[dict[str, Any]]:
    """Return the items that the workflow's executions began with, in order."""
    return [execution.input[0] for execution in workflow.executions.order_by("id")]
