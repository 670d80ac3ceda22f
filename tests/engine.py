"""The engine in this very process: for what needs a hand on it. No workers, the tables of the test database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from executions.admission import admission
from executions.engine.actor import ExecutionActor
from executions.engine.commit import TransactionTrace, write_and_claim
from executions.engine.definition import definition
from executions.engine.driver import driver
from executions.engine.recorder import recorder
from executions.lifecycle import Change, ClaimedExecution, create_execution
from executions.models import Execution, Trigger, Workflow
from executions.workflows.definitions import save_workflow
from tests.surroundings import PATIENCE_SECONDS
from workflow_platform.core.accounts.models import Workspace

COMMITS = pytest.mark.django_db(transaction=True)
"""For tests whose commits other threads see; afterwards the tables hold again what migrations put there (`tables`)."""


def make_workflow(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], **settings: Any) -> Workflow:
    """Save a workflow the way people do."""
    workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
    definition = {"name": "Of a test", "nodes": nodes, "edges": edges, "settings": settings}
    return save_workflow(workspace=workspace, definition=definition, by=None)


def make_execution(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], **settings: Any) -> Execution:
    """Queue an execution of a new workflow. Its job stays where no worker looks."""
    return create_execution(workflow=make_workflow(nodes, edges, **settings), trigger=Trigger.MANUAL, input=[])


def claim_leases(execution_ids: Sequence[UUID], worker: str) -> list[ClaimedExecution]:
    """Claim executions as the recorder's thread does for a worker, in this thread and its transaction."""
    written = write_and_claim((), [(list(execution_ids), worker, Future())], TransactionTrace())
    (claimed,) = written.claimed
    return claimed


def run_here(execution: Execution, worker: str = "here") -> Execution:
    """Claim the execution and run it to its end, or until it waits, in this process. Returns it as it is then."""
    admission.admit()
    (claimed,) = claim_leases([execution.pk], worker)
    over = threading.Event()
    ExecutionActor(driver(), claimed, definition(claimed.execution.version_id), lambda actor: over.set()).start()
    assert over.wait(PATIENCE_SECONDS)
    execution.refresh_from_db()
    return execution


def commit(*changes: Change) -> None:
    """Write the changes as a worker does. Raises StaleLease if its lease no longer holds."""
    for written in [recorder().submit(change) for change in changes]:
        written.result(PATIENCE_SECONDS)


def lose_worker(execution: Execution) -> None:
    """Have the lease run out, as when its holder has died."""
    Execution.objects.filter(pk=execution.pk).update(lease_expires_at=timezone.now())
