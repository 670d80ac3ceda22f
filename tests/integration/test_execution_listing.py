"""Lists of executions: filters, orders and pages, over the API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from executions import lifecycle
from executions.lifecycle.base import failure_fields
from executions.listing import Criteria, count_up_to
from executions.models import Execution, Trigger, Workflow
from executions.workflows import definitions
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db

GRAPH: dict[str, Any] = {"nodes": [{"id": "start", "type": "manual_trigger"}], "edges": []}
SECONDS = [5, 1, 5, 5, 30, 2, None]
"""How long the executions of a list ran; the last one still runs."""


def saved(workspace: Workspace, name: str) -> Workflow:
    return definitions.save_workflow(workspace=workspace, definition={"name": name} | GRAPH, by=None)


def execute(workflow: Workflow, trigger: Trigger = Trigger.API, **fields: Any) -> Execution:
    execution = lifecycle.create_execution(workflow=workflow, trigger=trigger, input=[])
    Execution.objects.filter(pk=execution.pk).update(**fields)
    return execution


def ended(workflow: Workflow, seconds: float, status: str = "completed", **fields: Any) -> Execution:
    now = timezone.now()
    times = {"started_at": now - timedelta(seconds=seconds), "ended_at": now}
    return execute(workflow, status=status, **times, **fields)


@pytest.fixture
def workspaces() -> list[Workspace]:
    return [Workspace.objects.create(name=name, slug=name) for name in ("one", "two", "strange")]


@pytest.fixture
def client(workspaces: list[Workspace]) -> Client:
    user = User.objects.create_user("reader")
    for workspace in workspaces[:2]:
        Membership.objects.create(user=user, workspace=workspace, role=Role.VIEWER)
    client = Client()
    client.force_login(user)
    return client


def listed(client: Client, query: str = "") -> list[UUID]:
    answer = client.get(f"/api/executions/?{query}")
    assert answer.status_code == 200, answer.content
    return [UUID(row["id"]) for row in answer.json()["results"]]


def pages(client: Client, query: str, link: str) -> Iterator[list[UUID]]:
    url: str | None = f"/api/executions/?{query}"
    while url:
        page = client.get(url).json()
        yield [UUID(row["id"]) for row in page["results"]]
        url = page[link]


def test_each_filter_narrows_the_list(client: Client, workspaces: list[Workspace]) -> None:
    first, second = saved(workspaces[0], "First"), saved(workspaces[1], "Second")
    execute(saved(workspaces[2], "Theirs"))
    slow = ended(first, 60, "failed", error={"message": "No answer from shop.example"})
    fast = ended(second, 1)
    running = execute(first, Trigger.WEBHOOK, status="running", started_at=timezone.now() - timedelta(seconds=90))
    definitions.save_workflow(workspace=workspaces[0], definition=GRAPH, by=None, workflow=first)
    newer = execute(Workflow.objects.get(pk=first.pk), Trigger.SCHEDULE)
    everything = [newer.pk, running.pk, fast.pk, slow.pk]
    expected = {
        "": everything,
        f"workspace={workspaces[1].pk}": [fast.pk],
        f"workspace={workspaces[2].pk}": [],
        f"workflow={first.pk}": [newer.pk, running.pk, slow.pk],
        f"workflow={first.pk}&version=1": [running.pk, slow.pk],
        f"workflow={first.pk}&version=3": [],
        "status=failed&status=completed&status=queued": [newer.pk, fast.pk, slow.pk],
        "trigger=webhook&trigger=schedule": [newer.pk, running.pk],
        "min_duration=30": [running.pk, slow.pk],
        "max_duration=70.5": [fast.pk, slow.pk],
        "min_duration=30&status=running": [running.pk],
        "q=shop.EXAMPLE": [slow.pk],
        "q=sec": [fast.pk],
        f"q={fast.pk}": [fast.pk],
        "mode=test": [],
        "sort=queued": everything[::-1],
        "sort=-duration": [slow.pk, fast.pk],
        "sort=-ended&status=failed": [slow.pk],
    }
    assert {query: listed(client, query) for query in expected} == expected


@pytest.mark.parametrize("query", ["version=1", "min_duration=nan", "max_duration=-1", "sort=status", "state=failed"])
def test_a_filter_that_says_nothing_is_refused(client: Client, query: str) -> None:
    answer = client.get(f"/api/executions/?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["detail"]


@pytest.mark.parametrize("sort", ["-queued", "queued", "-duration", "duration", "-ended", "ended"])
def test_pages_in_any_order_hold_each_execution_once_in_both_directions(
    client: Client, workspaces: list[Workspace], sort: str
) -> None:
    workflows = [saved(workspaces[0], "First"), saved(workspaces[1], "Second")]
    for index, seconds in enumerate(SECONDS):
        workflow = workflows[index % 2]
        row = ended(workflow, seconds) if seconds else execute(workflow, status="running", started_at=timezone.now())
        if seconds == 5:  # the same duration and end: the id decides
            at = timezone.now().replace(microsecond=0)
            Execution.objects.filter(pk=row.pk).update(started_at=at - timedelta(seconds=5), ended_at=at)
    whole = listed(client, f"sort={sort}")
    assert len(whole) == len(SECONDS) - ("queued" not in sort)
    forward = list(pages(client, f"sort={sort}&limit=2", "next"))
    assert [pk for page in forward for pk in page] == whole
    last = client.get(f"/api/executions/?sort={sort}&limit=2")
    while following := last.json()["next"]:
        last = client.get(following)
    back = list(pages(client, last.json()["previous"].partition("?")[2], "previous"))
    assert [pk for page in back[::-1] for pk in page] == whole[: len(whole) - len(forward[-1])]


def test_a_cursor_of_another_order_is_refused(client: Client, workspaces: list[Workspace]) -> None:
    workflow = saved(workspaces[0], "First")
    for _ in range(3):
        ended(workflow, 1)
    cursor = client.get("/api/executions/?limit=1").json()["next"].partition("?")[2]
    answer = client.get(f"/api/executions/?sort=duration&{cursor}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")


def test_a_count_ends_at_its_limit(workspaces: list[Workspace]) -> None:
    workflow = saved(workspaces[0], "First")
    for _ in range(4):
        ended(workflow, 1)
    scope = [workspaces[0].pk]
    assert [count_up_to(scope, Criteria(), most) for most in (10, 4, 2)] == [4, 4, 3]
    assert count_up_to([], Criteria()) == 0


def test_failures_that_differ_only_in_numbers_are_one_group(client: Client, workspaces: list[Workspace]) -> None:
    first, second = saved(workspaces[0], "First"), saved(workspaces[1], "Second")
    failed: list[Execution] = []
    for workflow, node, message in (
        (first, "fetch", "Order 7 is not there."),
        (first, "fetch", "Order 815 is not there."),
        (first, "send", "Order 7 is not there."),
        (second, "fetch", "Order 9 is not there."),
        (saved(workspaces[2], "Theirs"), "fetch", "Order 9 is not there."),
    ):
        error = {"type": "NodeError", "message": message, "node": node}
        row = ended(workflow, 1, "failed", error=error)
        row.refresh_from_db()
        Execution.objects.filter(pk=row.pk).update(**failure_fields(row, error))
        failed.append(row)
    groups = client.get("/api/executions/failures/").json()["groups"]
    assert [(g["workflow_name"], g["node"], g["count"], g["message"]) for g in groups] == [
        ("First", "fetch", 2, "Order 815 is not there."),
        ("Second", "fetch", 1, "Order 9 is not there."),
        ("First", "send", 1, "Order 7 is not there."),
    ]
    assert (groups[0]["pattern"], groups[0]["last_execution"]) == ("Order … is not there.", str(failed[1].pk))
    assert groups[0]["first_seen"] < groups[0]["last_seen"]
    assert listed(client, f"cause={groups[0]['cause']}") == [failed[1].pk, failed[0].pk]
    assert listed(client, f"workflow={first.pk}&failed_node=send") == [failed[2].pk]
    page = client.get(f"/executions/failures/?workflow={first.pk}").content.decode()
    assert (page.count("failure-group"), f"cause={groups[0]['cause']}" in page) == (2, True)


def test_a_view_is_own_or_shared(client: Client, workspaces: list[Workspace]) -> None:
    path, one = "/api/executions/views/", str(workspaces[0].pk)
    body = {"name": "Broken", "query": "?status=failed&before=x", "workspace": one}
    answer = client.post(path, body, content_type="application/json")
    assert (answer.status_code, answer.json()["query"]) == (201, "status=failed")
    assert client.post(path, body, content_type="application/json").status_code == 409
    shared = client.post(path, body | {"name": "Ours", "shared": True}, content_type="application/json")
    assert shared.status_code == 403  # a viewer
    wrong = client.post(path, body | {"name": "Odd", "query": "state=failed"}, content_type="application/json")
    assert (wrong.status_code, "state" in wrong.json()["detail"]) == (400, True)
    other = User.objects.create_user("editor")
    Membership.objects.create(user=other, workspace=workspaces[0], role=Role.EDITOR)
    theirs = Client()
    theirs.force_login(other)
    assert theirs.get(path).json()["results"] == []
    body = {"name": "Ours", "query": "sort=-duration", "shared": True}
    made = theirs.post(path, body, content_type="application/json").json()
    assert [row["name"] for row in client.get(path).json()["results"]] == ["Ours", "Broken"]
    assert 'data-view-query="sort=-duration"' in client.get("/").content.decode()
    assert client.delete(f"{path}{made['id']}/").status_code == 403
    change = theirs.patch(f"{path}{made['id']}/", {"shared": False}, content_type="application/json")
    assert (change.status_code, len(client.get(path).json()["results"])) == (200, 1)
    assert theirs.delete(f"{path}{made['id']}/").status_code == 204


def test_a_list_gives_the_fields_that_are_asked_for(client: Client, workspaces: list[Workspace]) -> None:
    execute(saved(workspaces[0], "A"))
    rows = client.get("/api/executions/?fields=id,status").json()["results"]
    assert [set(row) for row in rows] == [{"id", "status"}]
    assert client.get("/api/executions/?fields=nope").status_code == 400
