"""The page of approvals and the admin's controls, as people who are logged in see them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from executions import lifecycle
from executions.domain.statuses import ExecutionStatus
from executions.engine.commit import TransactionTrace, write_and_claim
from executions.engine.wakeups import new_wait
from executions.models import Execution, NodeRun, Trigger, Wait, WaitKind
from executions.nodes.base import WaitFor
from executions.waits import approvals
from tests.engine import claim_leases, make_execution
from tests.integration.test_pages import compact
from tests.workflows import edge, node
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db


def asked(message: str, assignee: User | None = None, expires_in: timedelta | None = None) -> Wait:
    """Have an execution wait for a decision."""
    nodes = [node("start", "manual_trigger"), node("ask", "approval", message=message)]
    execution = make_execution(nodes, [edge("start", "ask")])
    (claimed,) = claim_leases([execution.pk], "a worker")
    run = NodeRun(execution=claimed.execution, node_id="ask", name="Ask", node_type="approval")
    until = timezone.now() + expires_in if expires_in else None
    wait = new_wait(WaitFor("Waits.", until, WaitKind.APPROVAL, message, assignee), run)
    assert wait is not None
    change = lifecycle.start_node(claimed.execution, claimed.lease, run, 1)
    change += lifecycle.wait_node(claimed.execution, claimed.lease, run, "Waits.", until, wait)
    change += lifecycle.release_waiting(claimed.execution, claimed.lease, until, 0)
    assert not write_and_claim([change], [], TransactionTrace()).stale
    return wait


def member(name: str, role: Role) -> User:
    user = User.objects.create_user(name, password="a long enough password")
    workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
    Membership.objects.create(user=user, workspace=workspace, role=role)
    return user


def page(user: User, query: str = "") -> str:
    client = Client()
    client.force_login(user)
    return compact(client.get(f"/approvals/{query}").content.decode())


def test_each_sees_what_is_theirs_to_decide_with_a_count() -> None:
    editor, viewer = member("editor", Role.EDITOR), member("viewer", Role.VIEWER)
    asked("For anybody?")
    asked("For the viewer?", viewer)
    html = page(editor)
    assert ("For anybody?" in html, "For the viewer?" in html) == (True, False)
    assert 'id="approvals-count">1</b>' in html
    html = page(viewer)
    assert ("For anybody?" in html, "For the viewer?" in html) == (False, True)
    assert html.count("data-decide=") == 1
    html = page(viewer, "?show=open")
    assert "Assigned to someone else." in html
    assert html.count("data-decide=") == 1
    html = page(viewer, "?show=mine&workspace=")
    assert "For the viewer?" in html
    assert 'id="filters"' not in html
    other = Workspace.objects.create(name="Others", slug="others-of-approvals")
    Membership.objects.create(user=viewer, workspace=other)
    User.objects.filter(pk=viewer.pk).update(default_workspace=other)
    html = page(viewer)
    assert ("For the viewer?" in html, "1 more for you in" in html) == (False, True)
    html = page(viewer, "?workspace=")
    assert "For the viewer?" in html
    assert '<span class="tag">Tests</span>' in html
    stranger = User.objects.create_user("stranger", password="a long enough password")
    html = page(stranger, "?show=open")
    assert "No approvals to decide" in html
    assert 'id="approvals-count" hidden></b>' in html


def test_messages_and_comments_are_text_whatever_they_hold() -> None:
    editor = member("editor", Role.EDITOR)
    wait = asked("<script>alert(1)</script>")
    assert "<script>alert(1)" not in page(editor)
    approvals.decide(wait, editor, "rejected", "<b>no</b>")
    html = page(editor, "?show=decided")
    assert "&lt;b&gt;no&lt;/b&gt;" in html
    assert "rejected" in html


def test_what_has_expired_is_not_open() -> None:
    editor = member("editor", Role.EDITOR)
    wait = asked("Too late?", expires_in=timedelta(hours=1))
    Wait.objects.filter(pk=wait.pk).update(expires_at=timezone.now())
    assert "Too late?" not in page(editor, "?show=open")


def test_older_ones_are_on_further_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executions.pages.approvals.LISTED", 2)
    editor = member("editor", Role.EDITOR)
    waits = [asked(f"Question {n}?") for n in range(3)]
    html = page(editor)
    assert [f"Question {n}?" in html for n in range(3)] == [False, True, True]
    html = page(editor, f"?before={waits[1].pk}")
    assert [f"Question {n}?" in html for n in range(3)] == [True, False, False]
    assert page(editor, "?before=nonsense&show=nonsense").count("data-decide=") == 2


def test_the_admin_pauses_resumes_and_cancels_what_is_chosen(admin_client: Client) -> None:
    waiting, ended = asked("Go on?").execution, make_execution([node("start", "manual_trigger")], [])
    lifecycle.request_cancel(ended)

    def ask(what: str) -> str:
        body = {"action": what, "_selected_action": [str(waiting.pk), str(ended.pk)]}
        return admin_client.post("/admin/executions/execution/", body, follow=True).content.decode()

    html = ask("pause")
    assert "Pause requested for 1 execution." in html
    assert "The execution has ended; its status is cancelled." in html
    assert Execution.objects.get(pk=waiting.pk).status == ExecutionStatus.PAUSED
    assert "Resume requested for 1 execution." in ask("resume")
    ask("cancel")
    assert Execution.objects.get(pk=waiting.pk).status == ExecutionStatus.CANCELLED


def test_staff_who_may_only_look_are_offered_no_controls(client: Client) -> None:
    looker: Any = User.objects.create_user("looker", password="a long enough password", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_execution"))
    client.force_login(looker)
    execution = make_execution([node("start", "manual_trigger")], [])
    html = client.get("/admin/executions/execution/").content.decode()
    assert 'value="pause"' not in html
    body = {"action": "cancel", "_selected_action": [str(execution.pk)]}
    client.post("/admin/executions/execution/", body)
    assert Execution.objects.get(pk=execution.pk).status == ExecutionStatus.QUEUED


def test_an_error_workflows_execution_leads_to_the_one_whose_error_it_handles() -> None:
    editor = member("editor", Role.EDITOR)
    failed = make_execution([node("start", "manual_trigger")], [])
    item = {"execution": {"id": str(failed.pk), "status": "failed", "error": None}, "workflow": {}}
    handler = lifecycle.create_execution(workflow=failed.workflow, trigger=Trigger.ERROR, input=[item])
    client = Client()
    client.force_login(editor)
    html = client.get(f"/executions/{handler.pk}/").content.decode()
    assert f'handles the error of <a class="link" href="/executions/{failed.pk}/">' in html
