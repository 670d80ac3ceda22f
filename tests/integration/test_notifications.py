"""Notifications: derived from the event log once for each recipient, whatever is repeated or dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from events import bus
from events.bus import positions
from events.bus.models import EventSubscription
from events.log.models import Event, Stream
from events.log.partitions import first_id
from executions.lifecycle import create_execution
from executions.models import (
    Execution,
    MutedWorkflow,
    Notification,
    NotificationKind,
    NotificationPreference,
    Trigger,
    Wait,
    Workflow,
    WorkflowHealth,
)
from executions.notifications import clearing, consumer, facts
from executions.notifications.deriving import derive
from executions.waits import approvals
from executions.workflows.definitions import save_workflow
from tests.conftest import ROOT
from tests.engine import COMMITS, run_here
from tests.security.worlds import ask
from tests.sending import make_endpoint
from tests.workflows import edge, node
from webhooks.models import Endpoint
from webhooks.sending import disabling
from workflow_platform.core.accounts import memberships
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, User, Workspace

FAILS = "{{ $json.fails }}"


class Place:
    """A workspace with people, and a workflow of the editor that fails when its input says so."""

    def __init__(self) -> None:
        self.workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
        self.people = {name: self.person(name, role) for name, role in (
            ("ada", Role.ADMIN), ("eve", Role.EDITOR), ("ed", Role.EDITOR), ("vic", Role.VIEWER))}  # fmt: skip
        nodes = [node("start", "manual_trigger"), node("check", "filter", condition=FAILS),
                 node("stop", "stop_and_error", message="secret-of-an-item")]  # fmt: skip
        self.workflow = self.save("Invoices", nodes, [edge("start", "check"), edge("check", "stop")])

    def person(self, name: str, role: Role) -> User:
        user = User.objects.create_user(name, f"{name}@example.com", "a-password-for-tests")
        Membership.objects.create(user=user, workspace=self.workspace, role=role)
        return user

    def save(self, name: str, nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> Workflow:
        definition = {"name": name, "nodes": nodes, "edges": edges}
        return save_workflow(workspace=self.workspace, definition=definition, by=self.people["eve"])

    def run(self, fails: bool = False, **further: Any) -> Execution:
        items = [{"fails": fails}]
        return run_here(create_execution(workflow=self.workflow, trigger=Trigger.MANUAL, input=items, **further))

    def asking(self, **parameters: Any) -> Wait:
        nodes = [node("start", "manual_trigger"), node("ask", "approval", message="secret-of-an-item", **parameters)]
        workflow = self.save("Payments", nodes, [edge("start", "ask")])
        run_here(create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=[{}]))
        return Wait.objects.order_by("pk").last()  # type: ignore[return-value]


@pytest.fixture
def place(transactional_db: None) -> Place:
    return Place()


def consume() -> None:
    bus.consume(consumer.CONSUMER, derive, facts.TYPES, begin="start", once=True)


def derived() -> list[tuple[str, str]]:
    """Return who was notified of what, in order."""
    consume()
    return list(Notification.objects.order_by("pk").values_list("recipient__username", "kind"))


def get(user: User, path: str = "/api/notifications/") -> Any:
    return ask(ApiToken.issue(user, "tests")[1], "GET", path).json()


@COMMITS
def test_the_owner_is_notified_of_the_first_failure_and_of_the_recovery_and_of_nothing_in_between(place: Place) -> None:
    for fails in (False, True, True, False, False):
        place.run(fails)
    assert derived() == [("eve", "workflow_failed"), ("eve", "workflow_recovered")]
    recovered, failed = get(place.people["eve"])["results"]
    assert (failed["title"], failed["text"]) == ("Invoices failed", "Failed at Stop.")
    assert (recovered["title"], recovered["text"], recovered["failures"]) == (
        "Invoices works again", "It recovered after 2 failed executions.", 2)  # fmt: skip
    assert failed["url"] == f"/executions/{failed['execution']}/"
    assert "secret-of-an-item" not in str((recovered, failed))
    place.run(True)
    assert derived()[2:] == [("eve", "workflow_failed")]


@COMMITS
def test_test_and_debug_executions_and_cancelled_ones_notify_nobody(place: Place) -> None:
    place.run(True, mode="test")
    place.run(True, mode="debug")
    assert derived() == []
    assert not WorkflowHealth.objects.exists()


@COMMITS
def test_reading_the_log_again_notifies_nobody_again(place: Place) -> None:
    for fails in (True, True, False, True):
        place.run(fails)
    place.asking()
    before = derived()
    announced = Event.objects.filter(type="notification.created").count()
    assert len(before) == 3 + 3  # every editor and admin may decide
    assert announced == len(before)
    positions.move(EventSubscription.objects.get(name=consumer.CONSUMER), "start")
    assert derived() == before
    assert Event.objects.filter(type="notification.created").count() == announced
    assert WorkflowHealth.objects.get().failures == 1


@COMMITS
def test_a_consumer_that_is_killed_at_any_moment_loses_and_repeats_nothing(place: Place) -> None:
    ends = [True, False] * 6
    for fails in ends:
        place.run(fails)
    program = (
        "import django, os, signal; django.setup()\n"
        "from events import bus\nfrom executions.notifications import consumer, deriving, facts\n"
        "def derive(events):\n"
        "    deriving.derive(events)\n"
        "    if events[-1].sequence % 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "bus.consume(consumer.CONSUMER, derive, facts.TYPES, batch=3, begin='start', once=True)\n"
    )
    name = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{connection.settings_dict['NAME']}"
    environment = os.environ | {"DATABASE_URL": name, "DJANGO_SETTINGS_MODULE": "workflow_platform.settings"}
    died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    EventSubscription.objects.update(lease_expires_at=timezone.now())
    kinds = [kind for _, kind in derived()]
    assert kinds == ["workflow_failed", "workflow_recovered"] * 6


@COMMITS
def test_an_approval_notifies_those_who_may_decide_and_is_settled_by_a_decision(place: Place) -> None:
    wait = place.asking()
    assert derived() == [(name, "approval_waiting") for name in ("ada", "eve", "ed")]
    ed = place.people["ed"]
    assert get(ed, "/api/notifications/count/") == {"unread": 1}
    (shown,) = get(ed)["results"]
    assert (shown["title"], shown["text"], shown["unread"]) == (
        "Payments needs an approval", "Ask waits for a decision.", True)  # fmt: skip
    approvals.decide(wait, place.people["ada"], "approved")
    (shown,) = get(ed)["results"]
    assert (shown["text"], shown["unread"]) == ("Approved.", False)
    assert get(ed, "/api/notifications/count/") == {"unread": 0}
    assert get(ed, "/api/notifications/?unread=true")["results"] == []
    assert len(get(ed, "/api/notifications/?unread=false")["results"]) == 1


@COMMITS
def test_an_assigned_approval_notifies_the_assignee_and_a_decided_one_nobody(place: Place) -> None:
    place.asking(assignee="vic")
    assert derived() == [("vic", "approval_waiting")]
    wait = place.asking()
    approvals.decide(wait, place.people["ada"], "rejected")
    assert derived() == [("vic", "approval_waiting")]


@COMMITS
def test_a_disabled_endpoint_notifies_the_admins(place: Place) -> None:
    endpoint = make_endpoint("https://example.com/")
    Endpoint.objects.filter(pk=endpoint.pk).update(name="Orders")
    assert disabling.disable(endpoint.pk, "It answered 410.")
    assert derived() == [("ada", "endpoint_disabled")]
    (shown,) = get(place.people["ada"])["results"]
    assert (shown["title"], shown["url"]) == ("Endpoint Orders was disabled", f"/webhooks/endpoints/{endpoint.pk}/")


@COMMITS
def test_admins_are_notified_where_the_owner_has_left_and_whoever_follows_all_workflows(place: Place) -> None:
    memberships.end(Membership.objects.get(user=place.people["eve"], workspace=place.workspace), place.people["ada"])
    NotificationPreference.objects.create(user=place.people["vic"], workflows="all")
    place.run(True)
    assert derived() == [("ada", "workflow_failed"), ("vic", "workflow_failed")]


@COMMITS
def test_a_muted_workflow_and_a_preference_silence_notifications(place: Place) -> None:
    eve, ada = place.people["eve"], place.people["ada"]
    MutedWorkflow.objects.create(user=eve, workflow=place.workflow)
    place.run(True)
    membership = Membership.objects.get(user=ada, workspace=place.workspace)
    NotificationPreference.objects.create(user=ada, membership=membership, in_page=False)
    place.asking()
    assert derived() == [("eve", "approval_waiting"), ("ed", "approval_waiting")]


@COMMITS
def test_each_kind_is_sent_by_email_as_chosen_for_it(place: Place) -> None:
    eve = place.people["eve"]
    kinds = {"workflow_failed": "off", "workflow_recovered": "at_once"}
    NotificationPreference.objects.create(user=eve, email="daily", emails=kinds)
    place.run(True)
    place.run()
    place.asking()
    consume()
    due = {row.kind: row.email_due_at for row in Notification.objects.filter(recipient=eve)}
    assert due["workflow_failed"] is None
    assert due["workflow_recovered"] < timezone.now() < due["approval_waiting"]


@COMMITS
def test_who_chose_email_only_gets_a_row_that_no_page_lists(place: Place) -> None:
    NotificationPreference.objects.create(user=place.people["eve"], in_page=False, email="at_once")
    place.run(True)
    assert derived() == [("eve", "workflow_failed")]
    assert Notification.objects.get().email_due_at is not None
    assert get(place.people["eve"])["results"] == []
    assert not Event.objects.filter(type="notification.created").exists()


@COMMITS
def test_losing_a_role_or_the_membership_hides_notifications_at_once(place: Place) -> None:
    place.run(True)
    place.asking()
    consume()
    eve = place.people["eve"]
    membership = Membership.objects.get(user=eve, workspace=place.workspace)
    assert len(get(eve)["results"]) == 2
    memberships.change_role(membership, Role.VIEWER, place.people["ada"])
    assert [row["kind"] for row in get(eve)["results"]] == ["workflow_failed"]
    memberships.end(membership, place.people["ada"])
    assert get(eve)["results"] == []
    assert get(eve, "/api/notifications/count/") == {"unread": 0}
    assert get(place.people["ada"])["results"][0]["kind"] == "approval_waiting"


@COMMITS
def test_reading_marks_only_ones_own_and_tells_the_other_pages(place: Place) -> None:
    place.asking()
    place.asking()
    consume()
    ada, ed = place.people["ada"], place.people["ed"]
    token = ApiToken.issue(ada, "tests")[1]
    newest, oldest = (row["id"] for row in get(ada)["results"])
    (of_ed, _) = (row["id"] for row in get(ed)["results"])
    assert ask(token, "POST", "/api/notifications/read/", {"ids": [of_ed]}).json() == {"unread": 2}
    assert ask(token, "POST", "/api/notifications/read/", {"through": oldest}).json() == {"unread": 1}
    assert ask(token, "POST", "/api/notifications/read/", {"ids": [newest]}).json() == {"unread": 0}
    assert get(ed, "/api/notifications/count/") == {"unread": 2}
    for body in ({}, {"ids": [newest], "through": newest}, {"ids": []}):
        assert ask(token, "POST", "/api/notifications/read/", body).status_code == 400
    told = Event.objects.filter(stream__name=f"user:{ada.pk}", type="notification.read").order_by("sequence")
    assert [event.data for event in told] == [
        {"notifications": [], "through": oldest}, {"notifications": [newest], "through": None}]  # fmt: skip


@COMMITS
def test_preferences_are_changed_over_the_api_and_end_with_the_membership(place: Place) -> None:
    eve = place.people["eve"]
    token = ApiToken.issue(eve, "tests")[1]
    path, workspace = "/api/account/notifications/", str(place.workspace.pk)

    def change(**body: Any) -> Any:
        return ask(token, "PATCH", path, body)

    none = dict.fromkeys(NotificationKind.values)
    assert get(eve, path) == {
        "in_page": True, "workflows": "own", "email": "off", "emails": none, "email_problem": "", "muted": [],
        "workspaces": [{"workspace": workspace, "name": "Tests", "inherited": True, "in_page": True,
                        "workflows": "own", "email": "off", "emails": none}]}  # fmt: skip
    shown = change(workflows="all", email="daily", workspaces=[{"workspace": workspace, "in_page": False}]).json()
    own = shown["workspaces"][0]
    assert (shown["workflows"], own["inherited"], own["in_page"], own["workflows"]) == ("all", False, False, "all")
    assert (shown["email"], own["email"]) == ("daily", "daily")
    kinds = {"workflow_failed": "at_once", "endpoint_disabled": "off"}
    shown = change(workspaces=[{"workspace": workspace, "emails": kinds}]).json()
    assert (shown["emails"], shown["workspaces"][0]["emails"]) == (none, none | kinds)
    shown = change(workspaces=[{"workspace": workspace, "emails": {"endpoint_disabled": None}}]).json()
    assert shown["workspaces"][0]["emails"] == none | {"workflow_failed": "at_once"}
    shown = change(workspaces=[{"workspace": workspace, "inherit": True}], mute=[str(place.workflow.pk)]).json()
    assert (shown["workspaces"][0]["inherited"], shown["muted"][0]["name"]) == (True, "Invoices")
    assert change(unmute=[str(place.workflow.pk)]).json()["muted"] == []
    stranger = str(UUID(int=7))
    refused: list[dict[str, Any]] = [
        {"mute": [stranger]},
        {"workspaces": [{"workspace": stranger, "in_page": True}]},
        {"workspaces": [{"workspace": workspace}]},
        {"workflows": "none"},
        {"email": "weekly"},
        {"emails": {"workflow_failed": "weekly"}},
        {"emails": {"workflow_paused": "off"}},
        {"colour": "red"},
    ]
    for body in refused:
        assert change(**body).status_code == 400, body


@COMMITS
def test_notifications_go_when_events_of_their_age_go(place: Place, settings: Any) -> None:
    place.asking()
    consume()
    rows = list(Notification.objects.order_by("pk"))
    Notification.objects.filter(pk=rows[0].pk).update(id=first_id(timezone.now() - timedelta(days=31)))
    assert clearing.sweep() == 1
    assert Notification.objects.count() == len(rows) - 1


@COMMITS
def test_the_stream_of_a_user_is_theirs_alone_and_goes_with_them(place: Place) -> None:
    place.run(True)
    consume()
    eve, ada = place.people["eve"], place.people["ada"]
    ada.is_staff = True
    ada.save()
    assert "notification." not in str(get(ada, "/api/events/?limit=1000"))
    assert get(ada, f"/api/events/?stream=user:{eve.pk}")["events"] == []
    stream = Stream.objects.get(name=f"user:{eve.pk}")
    assert stream.last_sequence == 1
    eve.delete()
    assert not Stream.objects.filter(pk=stream.pk).exists()
    assert not Event.objects.filter(stream=stream.pk).exists()


@COMMITS
def test_the_page_lists_and_filters_and_every_page_has_the_bell(place: Place) -> None:
    place.run(True)
    place.asking()
    consume()
    browser = Client()
    browser.force_login(place.people["eve"])
    page = browser.get("/notifications/").content.decode()
    assert "Invoices failed" in page
    assert "Payments needs an approval" in page
    assert 'aria-label="Notifications, 2 unread"' in page
    page = browser.get("/notifications/?kind=workflow_failed&show=unread&workspace=nonsense").content.decode()
    assert ("Invoices failed" in page, "Payments needs an approval" in page) == (True, False)
    assert 'aria-label="Notifications, 2 unread"' in browser.get("/account/").content.decode()
