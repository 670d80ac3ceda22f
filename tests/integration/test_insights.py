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
from executions.models import Execution, Insight, InsightLook, NodeRun, PlatformSample, Trigger, Workflow
from tests.admitting import start, workflow_in
from tests.engine import COMMITS, make_workflow, run_here
from tests.security.worlds import ask
from tests.workflows import edge, node
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, Lane
from workflow_platform.core.accounts import audit
from workflow_platform.core.accounts.models import ApiToken, AuditEntry, Membership, Role, User, Workspace


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
    assert audited(workflow) == [("advice.applied", "a-editor"), ("advice.undone", "a-editor")]


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


def automate(workflow: Workflow, admin: str, *kinds: str) -> None:
    path = f"/api/workspaces/{workflow.workspace_id}/automatic-advice/"
    answer = ask(admin, "put", path, {"kinds": list(kinds)})
    assert answer.status_code == 200, answer.content
    assert ask(admin, "get", path).json()["kinds"] == list(kinds)


def audited(workflow: Workflow) -> list[tuple[str, str]]:
    rows = AuditEntry.objects.filter(workspace_id=workflow.workspace_id, kind__startswith="advice.").order_by("pk")
    return list(rows.values_list("kind", "actor_name"))


@COMMITS
def test_advice_is_applied_automatically_where_that_is_on_and_taken_back_when_it_is_worse() -> None:
    workflow = working()
    run(workflow, 60, ms=400)
    look(workflow)
    assert Insight.objects.get(kind="cache_node").status == "open"  # off by default
    admin, editor = token(workflow, Role.ADMIN), token(workflow, Role.EDITOR)
    path = f"/api/workspaces/{workflow.workspace_id}/automatic-advice/"
    assert ask(editor, "put", path, {"kinds": ["cache_node"]}).status_code == 403
    assert ask(admin, "put", path, {"kinds": ["limit_too_low"]}).status_code == 400
    automate(workflow, admin, "cache_node")
    look(workflow)
    applied = Insight.objects.get(kind="cache_node")
    assert (applied.status, applied.by, applied.version_applied) == ("applied", None, 2)
    assert applied.automatic_at is not None
    assert "Applied automatically" in shown("a-editor")

    run(workflow, 20, ms=900)  # the change made it slower
    look(workflow)
    workflow.refresh_from_db()
    applied.refresh_from_db()
    assert (applied.status, workflow.latest_version.number) == ("dismissed", 3)  # type: ignore[union-attr]
    assert "cache" not in workflow.latest_version.nodes[1]  # type: ignore[union-attr]
    assert [each["status"] for each in applied.history] == ["applied", "refuted", "dismissed"]
    assert audited(workflow) == [("advice.automation", "a-admin"), ("advice.applied", ""), ("advice.undone", "")]

    Insight.objects.update(
        automatic_at=timezone.now() - timedelta(days=9), changed_at=timezone.now() - timedelta(days=9)
    )
    run(workflow, 60, ms=400)
    look(workflow)
    assert Insight.objects.filter(kind="cache_node", status="open").exists()  # and only a person applies it again


@COMMITS
def test_a_workflow_is_changed_automatically_once_a_day_and_only_on_much_evidence() -> None:
    workflow = working()
    automate(workflow, token(workflow, Role.ADMIN), "cache_node")
    run(workflow, 24, ms=400)
    assert look(workflow).keys() == {"cache_node"}  # too few runs to apply it without a person
    run(workflow, 30, ms=400)
    earlier = Insight.objects.create(
        workspace=workflow.workspace, workflow=workflow, kind="retry_never_helps", key="earlier", status="confirmed",
        subject={}, evidence={}, figure={}, automatic_at=timezone.now() - timedelta(hours=23),
    )  # fmt: skip
    assert look(workflow).keys() == {"cache_node"}
    Insight.objects.filter(pk=earlier.pk).update(automatic_at=timezone.now() - timedelta(hours=25))
    assert look(workflow).keys() == set()


def measured(minutes_ago: float, counts: dict[str, tuple[int, float]], connections: int = 12) -> None:
    """Plant what processes had counted by then: for each histogram how often, and the seconds in all."""
    cumulative = {name: [seconds, *([0] * 5), n, *([0] * 11)] for name, (n, seconds) in counts.items()}
    PlatformSample.objects.create(
        at=timezone.now() - timedelta(minutes=minutes_ago), cumulative=cumulative, connections=connections,
        most_connections=97,
    )  # fmt: skip


def look_at_platform() -> dict[str, Insight]:
    looking.look_at_all()
    return {each.kind: each for each in Insight.objects.filter(workspace=None, status="open")}


@pytest.mark.django_db
def test_a_slow_database_and_redis_are_named_to_staff_only() -> None:
    workflow = workflow_in()
    measured(600, {"commit_seconds": (0, 0), "redis_round_trip_seconds": (0, 0)})
    measured(10, {"commit_seconds": (9_000, 90), "redis_round_trip_seconds": (900, 1)})
    measured(0, {"commit_seconds": (10_000, 100), "redis_round_trip_seconds": (1_000, 1.1)})
    assert look_at_platform() == {}  # as usual
    PlatformSample.objects.order_by("-at").first().delete()  # type: ignore[union-attr]
    measured(0, {"commit_seconds": (10_000, 290), "redis_round_trip_seconds": (1_000, 6)})
    found = look_at_platform()
    assert found.keys() == {"database_slow", "redis_slow"}
    assert found["database_slow"].figure["text"] == "Commits of workers take 200 ms instead of 10 ms"
    assert found["redis_slow"].figure["text"] == "A round trip to Redis takes 50 ms instead of 1 ms"

    admin, path = token(workflow, Role.ADMIN), f"/api/insights/{found['database_slow'].pk}/"
    assert ask(admin, "get", "/api/insights/").json()["results"] == []
    assert ask(admin, "get", path).status_code == 404
    assert "PostgreSQL" not in shown("a-admin")
    User.objects.filter(username="a-admin").update(is_staff=True)
    assert {each["kind"] for each in ask(admin, "get", "/api/insights/").json()["results"]} == found.keys()
    assert "Commits take 200 ms, usually 10 ms." in shown("a-admin")
    assert ask(admin, "post", f"{path}dismiss/").json()["status"] == "dismissed"
    assert AuditEntry.objects.get(kind="advice.dismissed").workspace_id == audit.NOWHERE
    assert not Event.objects.filter(type__startswith="insight.").exists()  # no workspace may read of it


@pytest.mark.django_db
def test_connections_that_run_out_are_named() -> None:
    workflow_in()
    measured(10, {})
    measured(0, {}, connections=95)
    assert look_at_platform()["database_slow"].evidence["cause"] == "connections"


@pytest.mark.django_db
def test_an_endpoint_that_takes_less_than_arrives_is_named_with_the_wait() -> None:
    workspace = Workspace.objects.get(pk=workflow_in().workspace_id)
    now = timezone.now()
    endpoint = Endpoint.objects.create(workspace=workspace, name="Slow", url="https://example.com/", max_concurrent=2)
    Lane.objects.update_or_create(
        pk=endpoint.pk, defaults={"workspace": workspace, "endpoint": endpoint, "window": 2, "slow_ms": 12_000}
    )
    rows = [
        Delivery(
            workspace=workspace, lane_id=endpoint.pk, endpoint=endpoint, created_at=now - timedelta(seconds=5 * number),
            status="delivered" if number >= 30 else "pending", due_at=now - timedelta(seconds=5 * number),
            ended_at=now if number >= 30 else None,
        )
        for number in range(90)
    ]  # fmt: skip
    Delivery.objects.bulk_create(rows)
    looking.look_at_all()
    found = Insight.objects.get(kind="lane_full")
    assert (found.workspace_id, found.subject["name"]) == (workspace.pk, "Slow")
    assert (found.evidence["waiting"], found.evidence["wait_s"], found.evidence["cause"]) == (30, 300, "max_concurrent")
    Delivery.objects.filter(status="pending").update(due_at=now + timedelta(hours=1))  # for their next attempt
    for _ in range(3):
        looking.look_at_all()
    assert Insight.objects.get(kind="lane_full").status == "cleared"


@pytest.mark.django_db
def test_what_holds_executions_back_now_is_named_with_the_wait() -> None:
    workflow = workflow_in(concurrency={"limit": 2})
    viewer = token(workflow, Role.VIEWER)
    nothing = ask(viewer, "get", "/api/insights/now/").json()
    assert (nothing["waiting"], nothing["bottleneck"], nothing["limits"]) == (0, None, [])
    assert (nothing["database"], nothing["redis"]) == (None, None)  # for staff
    ids = [execution.pk for execution in start(workflow, 12)]
    now = timezone.now()
    Execution.objects.filter(pk__in=ids[:2]).update(status="running", admitted_at=now, started_at=now)
    Execution.objects.filter(pk__in=ids[2:]).update(status="queued", admitted_at=None)
    found = ask(viewer, "get", "/api/insights/now/").json()
    assert (found["waiting"], found["bottleneck"]) == (10, "workflow_concurrency")
    assert found["reasons"] == {"workflow_concurrency": 10}
    limit = found["limits"][0]
    assert (limit["limit"], limit["in_use"], limit["waiting"], limit["wait_s"]) == (2, 2, 10, 50)
    queue = found["queues"][1]
    assert (queue["queue"], queue["arrivals_per_s"], queue["waiting"], queue["wait_s"]) == ("default", 0.2, 10, 50)
    assert found["workers"]["busy"] == 2
    assert "Limit of the workflow: " in shown("a-viewer")
    stranger = User.objects.create_user("stranger", password="a-password-for-tests")
    assert ask(ApiToken.issue(stranger, "tests")[1], "get", "/api/insights/now/").json()["waiting"] == 0
    User.objects.filter(pk=stranger.pk).update(is_staff=True)
    servers = ask(ApiToken.issue(stranger, "again")[1], "get", "/api/insights/now/").json()
    assert servers["database"]["connections"] >= 1
    assert servers["redis"]["round_trip_s"] > 0


@COMMITS
def test_data_that_is_copied_along_and_never_read_is_named_with_its_size() -> None:
    big = {"id": 1, "log": "x" * 30_000}
    nodes = [
        node("start", "manual_trigger"), node("copy", "set", fields={"seen": True}),
        node("keep", "set", fields={"id": "{{ $json.id }}"}, keep_other_fields=False),
    ]  # fmt: skip
    workflow = make_workflow(nodes, [edge("start", "copy"), edge("copy", "keep")])
    for _ in range(20):
        run_here(create_execution(workflow=workflow, trigger=Trigger.API, input=[big]))
    found = look(workflow)["unused_data"]
    assert (found.subject["node"], found.action) == ("start", None)
    assert (found.evidence["unused"], found.evidence["read"], found.evidence["copied_by"]) == (
        ["log"],
        ["id"],
        ["Copy"],
    )
    assert 29_000 < found.evidence["bytes_per_execution"] < 31_000
    token(workflow, Role.VIEWER)
    assert "Nothing reads log. It is copied along by Copy: 30 kB in each execution." in shown("a-viewer")
