"""Planted bottlenecks are found and named, a healthy workflow raises nothing, and applied advice is followed up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from events.log.models import Event
from executions import rollups
from executions.insights import looking
from executions.lifecycle import create_execution
from executions.models import Execution, Insight, InsightLook, NodeRun, Trigger, Workflow
from tests.admitting import start, workflow_in
from tests.engine import COMMITS, make_workflow, run_here
from tests.security.worlds import ask
from tests.workflows import edge, node
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, Lane
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, User, Workspace


def working(**further: Any) -> Workflow:
    """Save a workflow whose second node could be cached."""
    nodes = [node("start", "manual_trigger"), node("work", "set", fields={"done": True}) | further]
    return make_workflow(nodes, [edge("start", "work")])


def run(workflow: Workflow, count: int, ms: float = 0, distinct: int = 4) -> None:
    """Run executions with a few different inputs. Their node took this long, so they took longer as well."""
    workflow.refresh_from_db()
    ids = [
        run_here(create_execution(workflow=workflow, trigger=Trigger.API, input=[{"n": number % distinct}])).pk
        for number in range(count)
    ]
    longer = timedelta(milliseconds=ms)
    works = NodeRun.objects.filter(execution__in=ids, node_id="work")
    assert works.filter(status="completed").count() == count
    works.update(duration_ms=ms or F("duration_ms"), ended_at=F("ended_at") + longer)
    Execution.objects.filter(pk__in=ids).update(ended_at=F("ended_at") + longer)


def look(workflow: Workflow) -> dict[str, Insight]:
    workflow.refresh_from_db()
    looking.look_at(workflow)
    return {each.kind: each for each in Insight.objects.filter(workflow=workflow, status="open")}


def events_of(workspace: UUID) -> list[tuple[str, Any]]:
    rows = Event.objects.filter(stream__name=f"workspace:{workspace}").order_by("sequence")
    return [(row.type, row.data) for row in rows]


def token(workflow: Workflow, role: Role) -> str:
    user = User.objects.create_user(f"a-{role.value}", password="a-password-for-tests")
    Membership.objects.create(user=user, workspace=workflow.workspace, role=role)
    return ApiToken.issue(user, "tests")[1]


def shown(user: str, language: str = "en") -> str:
    browser = Client(headers={"Accept-Language": language})
    browser.force_login(User.objects.get(username=user))
    answer = browser.get("/insights/")
    assert answer.status_code == 200
    return answer.content.decode()


@COMMITS
def test_advice_is_found_applied_followed_up_and_taken_back() -> None:
    workflow = working()
    run(workflow, 24, ms=3000)
    found = look(workflow)
    assert found.keys() == {"cache_node", "slow_node"}
    cache, slow = found["cache_node"], found["slow_node"]
    assert (cache.evidence["n"], cache.evidence["hits"], cache.evidence["saved_s"]) == (24, 20, 60)
    assert (slow.subject["node"], slow.action, slow.evidence["share"] > 0.9) == ("work", None, True)
    assert look(workflow).keys() == found.keys()  # and is not raised twice
    assert [kind for kind, _ in events_of(workflow.workspace_id)] == ["insight.raised"] * 2

    editor, viewer = token(workflow, Role.EDITOR), token(workflow, Role.VIEWER)
    assert shown("a-editor").count('data-do="apply"') == 1  # the slow node has no safe change
    assert "data-do=" not in shown("a-viewer")
    assert "Ein Cache hätte 60 s gespart." in shown("a-viewer", "de")
    path = f"/api/insights/{cache.pk}/"
    listed = ask(viewer, "get", f"/api/insights/?workflow={workflow.pk}&kind=cache_node").json()["results"]
    assert [each["figure"]["text"] for each in listed] == ["Cache: 83% of 24 runs had been computed before; 60 s saved"]
    assert ask(viewer, "post", f"{path}apply/").status_code == 403
    assert ask(editor, "post", f"/api/insights/{slow.pk}/apply/").status_code == 409
    applied = ask(editor, "post", f"{path}apply/")
    assert applied.status_code == 200, applied.content
    assert (applied.json()["status"], applied.json()["version_applied"], applied.json()["by"]) == (
        "applied",
        2,
        "a-editor",
    )
    assert ask(editor, "post", f"{path}apply/").status_code == 409
    workflow.refresh_from_db()
    assert [each.get("cache") for each in workflow.latest_version.nodes] == [None, {}]  # type: ignore[union-attr]

    run(workflow, 19, ms=20)
    assert "cache_node" not in look(workflow)
    outcome = ask(viewer, "get", f"{path}outcome/").json()
    assert (outcome["status"], outcome["before"], outcome["after"]["n"]) == ("applied", {"n": 24, "value": 3000}, 19)
    run(workflow, 1, ms=20)
    look(workflow)
    outcome = ask(viewer, "get", f"{path}outcome/").json()
    assert (outcome["status"], outcome["after"]) == ("confirmed", {"n": 20, "value": 20})
    assert events_of(workflow.workspace_id)[-1][1]["reason"] == "confirmed"

    undone = ask(editor, "post", f"{path}undo/")
    assert (undone.status_code, undone.json()["status"]) == (200, "dismissed"), undone.content
    workflow.refresh_from_db()
    assert workflow.latest_version.number == 3  # type: ignore[union-attr]
    assert "cache" not in workflow.latest_version.nodes[1]  # type: ignore[union-attr]
    history = ask(viewer, "get", f"{path}outcome/").json()["history"]
    assert [(each["status"], each["by"]) for each in history] == [
        ("applied", "a-editor"), ("confirmed", None), ("dismissed", "a-editor"),
    ]  # fmt: skip


@COMMITS
def test_an_advice_about_a_node_that_changed_is_refused() -> None:
    workflow = working()
    run(workflow, 24, ms=400)
    cache = look(workflow)["cache_node"]
    editor = token(workflow, Role.EDITOR)
    changed = working(cache={"ttl": 5}).latest_version
    assert changed is not None
    body = {"nodes": changed.nodes}
    assert ask(editor, "patch", f"/api/workflows/{workflow.pk}/", body).status_code == 200
    refused = ask(editor, "post", f"/api/insights/{cache.pk}/apply/")
    assert refused.status_code == 409
    assert "`cache` has another value" in refused.json()["detail"]
    assert ask(editor, "post", f"/api/insights/{cache.pk}/dismiss/").status_code == 200


@COMMITS
def test_a_healthy_workflow_raises_nothing_and_what_is_over_is_cleared() -> None:
    workflow = working()
    run(workflow, 22)
    assert look(workflow) == {}
    runs = NodeRun.objects.filter(execution__workflow=workflow, node_id="work")
    kept = dict(runs.values_list("pk", "duration_ms"))
    runs.update(duration_ms=900)
    assert look(workflow).keys() == {"cache_node"}
    for pk, duration in kept.items():
        runs.filter(pk=pk).update(duration_ms=duration)
    assert look(workflow).keys() == look(workflow).keys() == {"cache_node"}  # not at once
    assert look(workflow) == {}
    assert Insight.objects.get().status == "cleared"


@COMMITS
def test_the_scheduler_looks_at_busy_workflows_once_a_minute() -> None:
    workflow = working()
    run(workflow, 24, ms=400)
    assert rollups.advance()
    looking.look_if_due()
    assert Insight.objects.get().kind == "cache_node"
    looked_at = InsightLook.objects.get().looked_at
    looking.look_if_due()
    assert InsightLook.objects.get().looked_at == looked_at


@pytest.mark.django_db
def test_a_limit_set_too_low_is_named_with_what_a_higher_one_would_do() -> None:
    workflow = workflow_in(concurrency={"limit": 1})
    base = timezone.now() - timedelta(minutes=10)
    for number, execution in enumerate(start(workflow, 30)):
        admitted = base + timedelta(seconds=4 * number)
        Execution.objects.filter(pk=execution.pk).update(
            status="completed", queued_at=base + timedelta(seconds=2 * number),
            rank_at=base + timedelta(seconds=2 * number), admitted_at=admitted,
            started_at=admitted + timedelta(milliseconds=20), ended_at=admitted + timedelta(seconds=4),
        )  # fmt: skip
    found = look(workflow)["limit_too_low"]
    assert found.figure["text"] == "Limit 2 instead of 1: median wait 29 s → 0 ms"
    assert found.action is not None
    assert found.action["changes"] == {"concurrency": {"limit": 2}}
    assert found.evidence["replay_error"] == 0
    Execution.objects.update(queued_at=F("admitted_at"), rank_at=F("admitted_at"))  # nobody waited
    for _ in range(3):
        look(workflow)
    assert Insight.objects.get(kind="limit_too_low").status == "cleared"


@COMMITS
def test_retries_that_never_help_are_named() -> None:
    workflow = working(retry={"attempts": 5})
    run(workflow, 12)
    began = timezone.now() - timedelta(minutes=1)
    before = [{"attempt": n, "ended_at": (began + timedelta(seconds=n)).isoformat()} for n in range(1, 5)]
    NodeRun.objects.filter(node_id="work").update(
        status="failed", attempt=5, attempts=before, ended_at=began + timedelta(seconds=9)
    )
    found = look(workflow)["retry_never_helps"]
    assert (found.evidence["tries"], found.evidence["wasted_s"]) == (12, 96)
    assert found.action is not None
    assert found.action["changes"] == {"retry": {"attempts": 1}}


@pytest.mark.django_db
def test_an_endpoint_that_fails_and_executions_without_workers_are_named() -> None:
    workflow = workflow_in()
    workspace = Workspace.objects.get(pk=workflow.workspace_id)
    now = timezone.now()
    endpoint = Endpoint.objects.create(workspace=workspace, name="Billing", url="https://example.com/")
    Lane.objects.update_or_create(
        pk=endpoint.pk,
        defaults={"workspace": workspace, "endpoint": endpoint, "failing_since": now, "failed_at": now, "failures": 12},
    )
    for number in range(12):
        delivery = Delivery.objects.create(
            workspace=workspace, lane_id=endpoint.pk, endpoint=endpoint, created_at=now - timedelta(minutes=number)
        )
        DeliveryAttempt.objects.create(
            workspace=workspace, delivery=delivery, endpoint_id=endpoint.pk, number=1, outcome="retry", started_at=now,
            url=endpoint.url, status_code=503, error_class="status",
        )  # fmt: skip
    start(workflow, 12)
    Execution.objects.update(admitted_at=now - timedelta(minutes=1))
    looking.look(now)
    found = {each.kind: each for each in Insight.objects.all()}
    assert found.keys() == {"endpoint_failing", "queue_starved"}
    text = found["endpoint_failing"].figure["text"]
    assert text == "100% of 12 attempts failed (503); the oldest delivery has waited 11 min"
    assert found["queue_starved"].evidence["unstarted"] == 12
    assert found["queue_starved"].evidence["median_wait_s"] >= 60
