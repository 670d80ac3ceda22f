"""A workspace is deleted with everything in it: it is closed at once, and emptied in slices that can be interrupted."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from executions import lifecycle
from executions import removal as executions_removal
from executions.lifecycle import CannotStart
from executions.models import Credential, Execution, Schedule, Trigger, WebhookRoute, Workflow
from executions.waits import completion
from executions.workflows import definitions
from tests.delivering import deliveries_of, end, make_endpoint
from tests.engine import COMMITS
from workflow_platform.core.accounts import removal
from workflow_platform.core.accounts.models import AuditEntry, AuditKind, Membership, Role, User, Workspace

pytestmark = COMMITS

NO_STOP = threading.Event()
GRAPH: dict[str, Any] = {
    "nodes": [
        {"id": "start", "type": "webhook_trigger", "parameters": {"path": "in"}},
        {"id": "daily", "type": "schedule_trigger", "parameters": {"cron": "0 6 * * *"}},
    ],
    "edges": [],
}


def filled(slug: str) -> Workspace:
    """Make a workspace with a workflow, executions, an endpoint, a delivery and a credential."""
    workspace, _ = Workspace.objects.get_or_create(slug=slug, defaults={"name": slug.title()})
    endpoint = make_endpoint(slug)
    workflow = definitions.save_workflow(workspace=workspace, definition={"name": "Nightly"} | GRAPH, by=None)
    definitions.set_active(workflow, True, None)
    for _ in range(3):
        lifecycle.create_execution(workflow=workflow, trigger=Trigger.API, input=[])
    assert deliveries_of(endpoint)
    end(deliveries_of(endpoint))
    Credential.objects.create(workspace=workspace, name="Key", type="bearer", data=b"", key="none")
    return workspace


def test_a_workspace_is_closed_at_once_and_emptied_although_its_job_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions_removal, "CANCELLED", 1)
    monkeypatch.setattr(executions_removal, "DELETED", 1)
    workspace, other = filled("lab"), filled("others")
    kept = Execution.objects.filter(workspace=other).count()
    admin = User.objects.create_user("ada", "ada@example.com", "a long enough password")
    Membership.objects.create(workspace=workspace, user=admin, role=Role.ADMIN)
    Membership.objects.create(workspace=other, user=admin, role=Role.EDITOR)
    client, path = APIClient(), f"/api/workspaces/{workspace.pk}/"
    client.force_authenticate(admin)
    assert client.delete(path).status_code == 409

    preview = client.get(f"{path}deletion/").json()
    counts = {each["what"]: each["count"] for each in preview["contents"]}
    assert (preview["name"], counts["executions"], counts["workflow"]) == ("Lab", 3, 1)
    assert client.post(f"{path}deletion/", {"name": "lab"}).status_code == 400
    assert client.post(f"/api/workspaces/{other.pk}/deletion/", {"name": "Others"}).status_code == 403
    workflow = Workflow.objects.get(workspace=workspace)
    answer = client.post(f"{path}deletion/", {"name": "Lab"})
    assert (answer.status_code, answer.json()) == (202, preview)

    assert client.get(path).status_code == 404
    assert [each["name"] for each in client.get("/api/workspaces/").json()["results"]] == ["Others"]
    assert not WebhookRoute.objects.filter(workspace=workspace).exists()
    assert not Schedule.objects.filter(workflow=workflow).exists()
    workflow.refresh_from_db()
    with pytest.raises(CannotStart):
        lifecycle.create_execution(workflow=workflow, trigger=Trigger.API, input=[])

    assert removal.remove_slice(workspace.pk) is removal.RemovalSlice.MORE  # and the job is killed here
    assert removal.sweep() == 0
    Workspace.objects.filter(pk=workspace.pk).update(removal_queued_at=timezone.now() - removal.QUEUED_GRACE)
    assert removal.sweep() == 1
    assert removal.sweep() == 0
    for _ in range(3):
        completion.follow_up_all()
        removal.work(workspace.pk, NO_STOP)
    assert not Workspace.objects.filter(pk=workspace.pk).exists()
    assert not Execution.objects.filter(workspace=workspace.pk).exists()
    assert not Workflow.objects.filter(pk=workflow.pk).exists()
    assert Execution.objects.filter(workspace=other).count() == kept
    (entry,) = AuditEntry.objects.filter(workspace_id=workspace.pk, kind=AuditKind.WORKSPACE_DELETED)
    assert {"what": "executions", "count": 3, "more": False} in entry.data["contents"]
    removal.work(workspace.pk, NO_STOP)
