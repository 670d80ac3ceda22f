"""The engine in this very process: for what needs a hand on it. No workers, the tables of the test database."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.utils import timezone

from executions import lifecycle
from executions.admission import admission
from executions.engine.definition import definition
from executions.engine.driver import driver
from executions.engine.runner import Run
from executions.lifecycle import create_execution
from executions.models import Execution, Trigger, Workflow
from executions.workflows.definitions import save_workflow
from workflow_platform.core.accounts.models import Workspace

COMMITS = pytest.mark.django_db(transaction=True, serialized_rollback=True)
"""For tests whose commits other threads see; afterwards the tables hold again what migrations put there."""


def make_workflow(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], **settings: Any) -> Workflow:
    """Save a workflow the way people do."""
    workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
    definition = {"name": "Of a test", "nodes": nodes, "edges": edges, "settings": settings}
    return save_workflow(workspace=workspace, definition=definition, by=None)


def make_execution(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], **settings: Any) -> Execution:
    """Queue an execution of a new workflow. Its job stays where no worker looks."""
    return create_execution(workflow=make_workflow(nodes, edges, **settings), trigger=Trigger.MANUAL, input=[])


def run_here(execution: Execution, worker: str = "here") -> Execution:
    """Claim the execution and run it to its end, or until it waits, in this process. Returns it as it is then."""
    admission.admit()
    (claimed,) = lifecycle.claim([execution.pk], worker)
    over = threading.Event()
    Run(driver(), claimed, definition(claimed.execution.version_id), lambda run: over.set()).start()
    assert over.wait(30)
    execution.refresh_from_db()
    return execution


def lose_worker(execution: Execution) -> None:
    """Have the lease run out, as when its holder has died."""
    Execution.objects.filter(pk=execution.pk).update(lease_expires_at=timezone.now())
