"""Executions that a node run starts: each exactly once, linked with it in both directions."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from executions import lifecycle
from executions.domain.errors import NodeError
from executions.domain.items import Items
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle.base import NOT_HELD
from executions.lifecycle.concurrency_keys import ConcurrencyKey
from executions.models import Execution, NodeRun, NoSuchWorkflow, Trigger, Wait, WaitKind, Workflow
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable


def start_child(run: NodeRun, workflow: str, items: Items, wait: bool) -> Execution:
    """Start the workflow with that id or name for an attempt of a node run. Raises NodeError.

    The child is created together with its wait, at most one for each attempt: an attempt that is repeated after a crash
    gets its existing child. `wait`: the node run waits for the end of the child.
    """
    try:
        # Before the transaction, which holds the parent's row.
        key = lifecycle.key_ahead(Workflow.objects.named(run.execution.workspace_id, workflow), list(items[:1]))
    except NoSuchWorkflow:
        key = None  # a repeated attempt may already have its child
    except SandboxUnavailable as error:
        raise NodeError(f"settings.concurrency.key of {workflow!r}: {error}", retryable=True) from None
    return _start(run, workflow, items, wait, key)


@transaction.atomic
def _start(run: NodeRun, workflow: str, items: Items, wait: bool, key: ConcurrencyKey | None) -> Execution:
    # Under the parent's lock: a worker that has lost it starts nothing, and nothing starts after its end.
    parent = Execution.objects.select_for_update(of=("self",)).select_related("created_by").get(pk=run.execution_id)
    if parent.status != ExecutionStatus.RUNNING.value or parent.fencing_token != run.execution.fencing_token:
        raise NodeError(NOT_HELD)
    attempt = {"execution": parent, "node_id": run.node_id, "run_index": run.run_index, "attempt": run.attempt}
    known = Wait.objects.filter(**attempt, kind=WaitKind.EXECUTION).select_related("child__workflow").first()
    if known is not None and known.child is not None:
        return known.child
    try:
        child_workflow = Workflow.objects.named(parent.workspace_id, workflow)
        child = lifecycle.create_execution(
            workflow=child_workflow,
            trigger=Trigger.WORKFLOW,
            input=list(items),
            priority=parent.priority,
            mode=parent.mode,
            by=parent.created_by,
            parent_run=run,
            key=key,
        )
    except NoSuchWorkflow as error:
        raise NodeError(f"parameters.workflow: {error}") from None
    except lifecycle.CannotStart as error:
        raise NodeError(f"{child_workflow.name!r} was not started: {error}") from None
    Wait.objects.create(**attempt, kind=WaitKind.EXECUTION, child=child, resolved_at=None if wait else timezone.now())
    return child
