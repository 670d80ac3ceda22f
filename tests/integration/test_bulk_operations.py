"""Operations on many executions: counted before, done in slices, once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from events.log.models import Stream
from executions import lifecycle
from executions.bulk import jobs as bulk_jobs
from executions.bulk import slices
from executions.models import BulkKind, BulkOperation, Execution, NodeRun, Trigger, Workflow
from executions.workflows import definitions
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

GRAPH: dict[str, Any] = {"nodes": [{"id": "start", "type": "manual_trigger"}], "edges": []}
PATH = "/api/executions/bulk/"
NO_STOP = threading.Event()


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Ours", slug="ours")


@pytest.fixture
def workflow(workspace: Workspace) -> Workflow:
    return definitions.save_workflow(workspace=workspace, definition={"name": "Nightly"} | GRAPH, by=None)


@pytest.fixture
def editor(workspace: Workspace) -> Client:
    user = User.objects.create_user("editor")
    Membership.objects.create(user=user, workspace=workspace, role=Role.EDITOR)
    client = Client()
    client.force_login(user)
    return client


def execute(workflow: Workflow, status: str = "queued") -> Execution:
    execution = lifecycle.create_execution(workflow=workflow, trigger=Trigger.API, input=[])
    if status != "queued":
        now = timezone.now()
        Execution.objects.filter(pk=execution.pk).update(
            status=status, started_at=now, ended_at=now, follow_up_due=False
        )
    return execution


def ask(client: Client, kind: str, chosen: dict[str, Any], **further: Any) -> Any:
    answer = client.post(PATH, {"kind": kind, "filter": chosen} | further, content_type="application/json")
    assert answer.status_code in {200, 202}, answer.content
    return answer.json()


def finish(client: Client, started: dict[str, Any]) -> dict[str, Any]:
    bulk_jobs.work(started["operation"]["id"], NO_STOP)
    return dict(client.get(f"{PATH}{started['operation']['id']}/").json())


def test_what_the_preview_counts_is_changed_and_nothing_else(
    editor: Client, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SIZES", dict.fromkeys(BulkKind, 2))
    monkeypatch.setattr(bulk_jobs, "SIZES", dict.fromkeys(BulkKind, 2))
    failed = [execute(workflow, "failed") for _ in range(5)]
    done, queued = execute(workflow, "completed"), [execute(workflow) for _ in range(3)]
    plan = ask(editor, "rerun", {"status": ["failed"]})
    assert (plan["count"], plan["by_status"], plan["operation"]) == (5, {"failed": 5}, None)
    assert Execution.objects.count() == 9
    started = ask(editor, "rerun", {"status": ["failed"]}, dry_run=False, rerun={"version": "latest"})
    assert started["operation"]["state"] == "running"
    operation = finish(editor, started)
    assert (operation["state"], operation["total"], operation["done"], operation["percent"]) == ("completed", 5, 5, 100)
    reruns = Execution.objects.filter(trigger="rerun").order_by("pk")
    assert [row.rerun_of_id for row in reruns] == [row.pk for row in failed]
    assert finish(editor, started)["done"] == 5  # a job that comes twice does nothing
    cancelled = finish(editor, ask(editor, "cancel", {"ids": [str(row.pk) for row in [*queued, done]]}, dry_run=False))
    assert (cancelled["done"], cancelled["left_out"]) == (3, 0)
    assert set(Execution.objects.filter(pk__in=[row.pk for row in queued]).values_list("status", flat=True)) == {
        "cancelled"
    }
    done.refresh_from_db()
    assert done.status == "completed"


def test_deleted_executions_are_gone_with_runs_and_events(editor: Client, workflow: Workflow) -> None:
    ended, parent, queued = execute(workflow, "failed"), execute(workflow, "failed"), execute(workflow)
    NodeRun.objects.create(execution=ended, node_id="start", name="Start", node_type="manual_trigger")
    Execution.objects.filter(pk=queued.pk).update(parent=parent)
    everything = {"workflow": str(workflow.pk)}
    assert ask(editor, "delete", everything)["count"] == 2
    operation = finish(editor, ask(editor, "delete", everything, dry_run=False))
    assert (operation["done"], operation["left_out"]) == (1, 1)
    assert operation["problems"] == [
        {"id": str(parent.pk), "detail": "It has a child execution that has not ended, or its end is being handled."}
    ]
    assert set(Execution.objects.values_list("pk", flat=True)) == {parent.pk, queued.pk}
    assert not NodeRun.objects.filter(execution=ended.pk).exists()
    assert Stream.objects.get(name=f"execution:{ended.pk}").workspace_id is None
    assert editor.get(f"/api/executions/{ended.pk}/").status_code == 404


def test_a_lost_job_is_queued_again_and_a_stopped_operation_stays_stopped(editor: Client, workflow: Workflow) -> None:
    execute(workflow, "failed")
    started = ask(editor, "rerun", {"status": ["failed"]}, dry_run=False)
    operation = BulkOperation.objects.get(pk=started["operation"]["id"])
    assert bulk_jobs.sweep() == 0
    BulkOperation.objects.filter(pk=operation.pk).update(queued_at=None)
    assert bulk_jobs.sweep() == 1
    path = f"{PATH}{operation.pk}/cancel/"
    assert editor.post(path).status_code == 202
    assert editor.post(path).status_code == 409
    assert finish(editor, started)["done"] == 0
    assert Execution.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "delete", "filter": {}}, "filter"),
        ({"kind": "delete", "filter": {"state": ["failed"]}}, "state"),
        ({"kind": "cancel", "filter": {"status": ["queued"]}, "rerun": {}}, "rerun"),
        ({"kind": "rerun", "filter": {"status": ["failed"]}, "rerun": {"from": "start-here"}}, "from"),
        ({"kind": "delete", "filter": {"version": 1}}, "version"),
        ({"kind": "remove", "filter": {"status": ["failed"]}}, "kind"),
    ],
)
def test_a_request_that_could_mean_too_much_is_refused(editor: Client, body: dict[str, Any], field: str) -> None:
    answer = editor.post(PATH, body, content_type="application/json")
    assert (answer.status_code, field in answer.json()["detail"]) == (400, True), answer.content


def test_a_workflow_is_deleted_with_its_executions_and_those_that_run_are_cancelled_first(
    editor: Client, workspace: Workspace, workflow: Workflow
) -> None:
    other = definitions.save_workflow(workspace=workspace, definition={"name": "Other"} | GRAPH, by=None)
    kept = execute(other, "completed")
    execute(workflow, "completed")
    running = execute(workflow)
    answer = editor.delete(f"/api/workflows/{workflow.pk}/?executions=true")
    operation = answer.json()
    assert (answer.status_code, operation["kind"], operation["total"]) == (202, "delete", 2)
    assert editor.get(f"/api/workflows/{workflow.pk}/").status_code == 404

    for _ in range(5):  # the scheduler's sweep queues the job again
        ended = finish(editor, {"operation": operation})
        if ended["state"] != "running":
            break
        Execution.objects.filter(ended_at__isnull=False).update(follow_up_due=False)  # as a worker does it
    assert (ended["state"], ended["done"], ended["left_out"], ended["percent"]) == ("completed", 2, 0, 100.0)
    assert list(Execution.objects.values_list("pk", flat=True)) == [kept.pk]
    assert running.pk != kept.pk
