"""The pages, as people who are logged in see them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from events import log
from events.catalogue.stream_names import FEED
from executions import lifecycle
from executions.models import Execution, Trigger, Workflow
from executions.pages.listing import activity
from executions.workflows import definitions
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db

GRAPH: dict[str, Any] = {
    "nodes": [
        {"id": "start", "name": "Start", "type": "manual_trigger", "parameters": {}},
        {"id": "hook", "name": "Hook", "type": "webhook_trigger", "parameters": {"path": "for-pages"}},
        {"id": "greet", "name": "Greet", "type": "set", "parameters": {"fields": {"hello": "world"}}},
    ],
    "edges": [{"source": "start", "target": "greet"}, {"source": "hook", "target": "greet"}],
}


def member(name: str, workspace: Workspace, role: Role) -> Client:
    user = User.objects.create_user(name, password="a long enough password")
    Membership.objects.create(user=user, workspace=workspace, role=role)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Ours", slug="ours")


@pytest.fixture
def editor(workspace: Workspace) -> Client:
    return member("editor", workspace, Role.EDITOR)


@pytest.fixture
def workflow(workspace: Workspace) -> Workflow:
    return definitions.save_workflow(workspace=workspace, definition={"name": "Greeting"} | GRAPH, by=None)


def execute(workflow: Workflow, trigger: Trigger = Trigger.API) -> Execution:
    return lifecycle.create_execution(workflow=workflow, trigger=trigger, input=[])


def compact(html: str) -> str:
    """Return HTML without the white space around tags and with single spaces elsewhere."""
    return re.sub(r"\s*([<>])\s*", r"\1", re.sub(r"\s+", " ", html))


def shown(client: Client, path: str) -> list[UUID]:
    """Return the executions that a page lists, in its order."""
    page = client.get(path)
    assert page.status_code == 200
    return [UUID(found) for found in re.findall(r'<tr\s+data-id="([0-9a-f-]+)"', page.content.decode())]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/workflows/",
        "/credentials/",
        f"/workflows/{UUID(int=0)}/",
        f"/executions/{UUID(int=0)}/",
        "/executions/rows/",
    ],
)
def test_a_page_sends_a_stranger_to_the_login(path: str) -> None:
    assert Client().get(path).headers["Location"] == f"/login/?next={path}"


def test_the_login_leads_to_the_page_that_was_asked_for(editor: Client) -> None:
    client = Client()
    words = {"username": "editor", "password": "a long enough password", "next": "/workflows/"}
    assert client.post("/login/", words | {"password": "wrong"}).status_code == 200
    assert client.post("/login/", words).headers["Location"] == "/workflows/"


def test_what_belongs_to_another_workspace_is_not_there(workflow: Workflow) -> None:
    theirs = member("stranger", Workspace.objects.create(name="Theirs", slug="theirs"), Role.ADMIN)
    execution = execute(workflow)
    assert theirs.get(f"/workflows/{workflow.pk}/").status_code == 404
    assert theirs.get(f"/executions/{execution.pk}/").status_code == 404
    assert shown(theirs, "/") == []
    assert shown(theirs, f"/?workflow={workflow.pk}") == []
    assert shown(theirs, f"/executions/rows/?ids={execution.pk}") == []
    assert b"Greeting" not in theirs.get("/workflows/").content


def test_a_viewer_is_shown_nothing_that_needs_an_editor(
    workspace: Workspace, editor: Client, workflow: Workflow
) -> None:
    viewer = member("viewer", workspace, Role.VIEWER)
    execution = execute(workflow)
    for path, marks in {
        f"/workflows/{workflow.pk}/": ['id="run"', 'id="save"'],
        "/workflows/": ['id="new"'],
        f"/executions/{execution.pk}/": ['id="cancel"'],
    }.items():
        for mark in marks:
            assert mark in editor.get(path).content.decode()
            assert mark not in viewer.get(path).content.decode()


def test_the_filters_of_the_dashboard_narrow_the_list(editor: Client, workspace: Workspace, workflow: Workflow) -> None:
    other = definitions.save_workflow(workspace=workspace, definition={"name": "Another"} | GRAPH, by=None)
    first, second = execute(workflow), execute(other, Trigger.WEBHOOK)
    lifecycle.request_cancel(first)
    Execution.objects.filter(pk=first.pk).update(queued_at=timezone.now() - timedelta(hours=3))
    assert shown(editor, "/") == [second.pk, first.pk]
    assert shown(editor, "/?status=cancelled") == [first.pk]
    assert shown(editor, "/?status=cancelled&status=queued") == [second.pk, first.pk]
    assert shown(editor, f"/?workflow={other.pk}") == [second.pk]
    assert shown(editor, "/?trigger=webhook") == [second.pk]
    assert shown(editor, "/?range=1h") == [second.pk]
    assert shown(editor, "/?until=2000-01-01T00:00") == []
    assert shown(editor, "/?q=greet") == [first.pk]
    assert shown(editor, f"/?q={second.pk}") == [second.pk]
    assert shown(editor, "/?status=queued&q=greet") == []


def test_a_filter_that_makes_no_sense_is_left_out(editor: Client, workflow: Workflow) -> None:
    execution = execute(workflow)
    for query in ("status=nonsense", "workflow=nonsense", "since=nonsense", "range=nonsense", "before=nonsense"):
        assert shown(editor, f"/?{query}") == [execution.pk]


def test_the_pages_of_the_dashboard_hold_each_execution_once(
    editor: Client, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executions.pages.dashboard.LISTED", 2)
    expected = [execute(workflow).pk for _ in range(5)][::-1]
    seen: list[UUID] = []
    path: str | None = "/?status=queued"
    while path:
        seen += shown(editor, path)
        path = editor.get(path).context["older"]
    assert seen == expected


def test_the_feed_head_is_older_than_the_rows(editor: Client, workflow: Workflow) -> None:
    execute(workflow)
    head = log.head(FEED)
    page = editor.get("/")
    assert page.context["list_data"]["head"] == head
    execute(workflow)
    assert log.head(FEED) == head + 1


def test_rows_keep_their_place_and_say_when_they_no_longer_match(editor: Client, workflow: Workflow) -> None:
    first, second = execute(workflow), execute(workflow)
    lifecycle.request_cancel(first)
    asked = f"/executions/rows/?ids={first.pk},{second.pk},nonsense"
    assert shown(editor, asked) == [second.pk, first.pk]
    assert "No longer matches" not in editor.get(asked).content.decode()
    assert shown(editor, f"{asked}&status=queued") == [second.pk, first.pk]
    assert editor.get(f"{asked}&status=queued").content.decode().count("No longer matches") == 1


def test_rows_say_which_new_executions_match_the_filters(editor: Client, workflow: Workflow) -> None:
    first, second = execute(workflow), execute(workflow)
    lifecycle.request_cancel(first)
    page = editor.get(f"/executions/rows/?new={first.pk},{second.pk},nonsense&status=queued")
    assert f'<data id="matching-rows" value="{second.pk}"' in page.content.decode()
    assert shown(editor, f"/executions/rows/?new={first.pk}") == []


def test_the_counters_count_what_goes_on_and_what_ended_lately(editor: Client, workflow: Workflow) -> None:
    user = User.objects.get(username="editor")
    execute(workflow)
    ended = [execute(workflow) for _ in range(3)]
    now = timezone.now()
    for execution, status, hours in zip(ended, ["failed", "completed", "failed"], [0, 0, 2], strict=True):
        changed = {"status": status, "ended_at": now - timedelta(hours=hours)}
        Execution.objects.filter(pk=execution.pk).update(**changed)
    counted = activity(user)
    assert [counted[name] for name in ("queued", "running", "completed", "failed", "success")] == [1, 0, 1, 1, 50]
    assert sum("1 failed" in bar.title for bar in counted["chart"]["bars"]) == 1


def test_an_old_version_can_be_opened(editor: Client, workflow: Workflow) -> None:
    changed = json.loads(json.dumps(GRAPH))
    changed["nodes"][2]["name"] = "Changed"
    definitions.save_workflow(workspace=workflow.workspace, definition=changed, by=None, workflow=workflow)
    latest, old = (editor.get(f"/workflows/{workflow.pk}/{query}") for query in ("", "?version=1"))
    assert latest.context["page_data"]["definition"]["nodes"][2]["name"] == "Changed"
    assert old.context["page_data"]["definition"]["nodes"][2]["name"] == "Greet"
    assert "Version 2 is live" in compact(old.content.decode())
    assert editor.get(f"/workflows/{workflow.pk}/?version=3").status_code == 404
    assert editor.get(f"/workflows/{workflow.pk}/?version=x").status_code == 404


def test_no_page_holds_an_inline_script_or_style(editor: Client, workflow: Workflow) -> None:
    execution = execute(workflow)
    paths = (
        "/",
        "/workflows/",
        "/credentials/",
        f"/workflows/{workflow.pk}/",
        f"/executions/{execution.pk}/",
        "/missing/",
    )
    for path in paths:
        text = editor.get(path).content.decode()
        scripts = re.findall(r"<script([^>]*)>", text)
        assert all("src=" in script or 'type="application/json"' in script for script in scripts)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|https?://(?!testserver|www\.w3\.org)", text)


def test_a_workflows_page_says_when_it_runs_next(editor: Client, workspace: Workspace) -> None:
    tick = {
        "id": "tick",
        "type": "schedule_trigger",
        "parameters": {"cron": "0 9 * * MON-FRI", "timezone": "Asia/Tokyo"},
    }
    definition = {"name": "Scheduled", "nodes": [tick], "edges": []}
    workflow = definitions.save_workflow(workspace=workspace, definition=definition, by=None)
    text = compact(editor.get(f"/workflows/{workflow.pk}/").content.decode())
    assert "At 09:00 on Monday through Friday" in text
    assert "Asia/Tokyo" in text
    assert "data-while-inactive>Off: doesn't run" in text
    definitions.set_active(workflow, True, None)
    schedule = workflow.schedules.get()
    execution = execute(workflow, Trigger.SCHEDULE)
    schedule.last_execution, schedule.last_fired_at = execution, timezone.now()
    schedule.last_error = "It <may> not."
    schedule.save()
    text = compact(editor.get(f"/workflows/{workflow.pk}/").content.decode())
    assert "data-while-inactive hidden>Off: doesn't run" in text
    assert schedule.next_at.strftime("%Y-%m-%dT%H:%M") in text
    assert f"/executions/{execution.pk}/" in text
    assert "It &lt;may&gt; not." in text
