"""Replays to an endpoint that is named by its id: its queue gets each event once, at the replay's pace."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.test import Client
from events.log.models import Stream

from events.replay import sending
from events.replay.models import Replay
from tests.delivering import append_to, deliveries_of, make_endpoint
from tests.integration.test_endpoints_api import send
from tests.integration.test_pages import member
from webhooks.models import Endpoint
from workflow_platform.core.accounts.models import Role, Workspace
from workflow_platform.core.identifiers import uuid7

pytestmark = pytest.mark.django_db

URL = "/api/events/replay/"


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Ours", slug="ours")


@pytest.fixture
def editor(workspace: Workspace) -> Client:
    return member("editor", workspace, Role.EDITOR)


@pytest.fixture
def endpoint(workspace: Workspace) -> Endpoint:
    return make_endpoint("ours", "workflow.cloned", url="http://127.0.0.2:9/?key=hidden")


def replay(client: Client, endpoint: Endpoint, **further: Any) -> Any:
    target = {"type": "endpoint", "endpoint": str(endpoint.pk)} | further
    return send(client, "POST", URL, {"filter": {}, "at_once": True, "target": target})


def test_each_event_becomes_one_delivery_of_the_endpoint(
    editor: Client, workspace: Workspace, endpoint: Endpoint
) -> None:
    member("abroad", Workspace.objects.create(name="Other", slug="other"), Role.ADMIN)
    for place in (workspace, Workspace.objects.get(slug="other")):
        append_to(Stream.objects.create(name=f"execution:{uuid7()}", workspace=place), "execution.log", "execution.log")
    made = replay(editor, endpoint).json()
    assert (made["total"], made["target"]["endpoint"]) == (2, str(endpoint.pk))
    assert made["target"]["url"] == "http://127.0.0.2:9/?key=•••"
    for _ in range(2):  # a job that comes again finds nothing to do
        sending.send(Replay.objects.get().pk, threading.Event())
    sent = deliveries_of(endpoint)
    assert [(each.origin, each.event_type, each.status) for each in sent] == [
        ("replay", "execution.log", "pending")
    ] * 2
    assert json.loads(sent[0].body)["replay"] is True
    found = Replay.objects.get()
    assert (found.state, found.position) == ("completed", 2)


def test_a_replay_to_an_endpoint_that_is_deleted_fails_and_says_so(
    editor: Client, workspace: Workspace, endpoint: Endpoint
) -> None:
    append_to(Stream.objects.create(name=f"execution:{uuid7()}", workspace=workspace), "execution.log")
    replay(editor, endpoint)
    Endpoint.objects.update(deleted_at="2026-01-01T00:00:00Z")
    sending.send(Replay.objects.get().pk, threading.Event())
    found = Replay.objects.get()
    assert (found.state, found.position, found.error) == ("failed", 0, "The endpoint was deleted.")


def test_nobody_replays_to_an_endpoint_of_others(workspace: Workspace, endpoint: Endpoint) -> None:
    elsewhere = Workspace.objects.create(name="Other", slug="other")
    for client in (member("viewer", workspace, Role.VIEWER), member("stranger", elsewhere, Role.ADMIN)):
        answer = replay(client, endpoint)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "target.endpoint")


def test_an_endpoint_that_is_named_has_its_own_url_and_secrets(editor: Client, endpoint: Endpoint) -> None:
    for field, value in (("url", "http://127.0.0.2:9/"), ("secret", "a-secret-of-ours"), ("headers", {"X": "y"})):
        answer = replay(editor, endpoint, **{field: value})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, f"target.{field}")
