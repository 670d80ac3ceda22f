"""Executions, workflows and triggers of a workspace that is deleted."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from executions import lifecycle, retention
from executions.models import Credential, Execution, SavedView, Schedule, WebhookRoute, Workflow
from workflow_platform.core.accounts.removal import RemovalSlice

CANCELLED, DELETED = 50, 100
"""Executions of one slice."""
CONTENTS = (Workflow, Execution, Credential, SavedView)
REASON = "The workspace was deleted."


def close(workspace_id: UUID) -> None:
    """Stop all triggers. Deleted workflows refuse new executions."""
    WebhookRoute.objects.filter(workspace=workspace_id).delete()
    Schedule.objects.filter(workflow__workspace=workspace_id).delete()
    open_workflows = Workflow.objects.filter(workspace=workspace_id, deleted_at__isnull=True)
    open_workflows.update(active=False, deleted_at=timezone.now())


def remove(workspace_id: UUID) -> RemovalSlice:
    """Cancel executions, and delete those that have ended with their node runs, outputs and events."""
    executions = Execution.objects.filter(workspace=workspace_id).order_by("pk")
    unended = executions.filter(ended_at__isnull=True)
    waiting = list(unended.filter(cancel_requested_at__isnull=True)[:CANCELLED])
    for execution in waiting:  # in one transaction each, so that locks are taken in order
        lifecycle.request_cancel(execution, reason=REASON)
    if waiting:
        return RemovalSlice.MORE
    ended = executions.filter(ended_at__isnull=False, follow_up_due=False)
    if retention.delete_ended(list(ended.values_list("pk", flat=True)[:DELETED])):
        return RemovalSlice.MORE
    return RemovalSlice.WAITING if executions.exists() else RemovalSlice.DONE
