"""`/api/events/replay/` and `/api/events/replays/`: what is asked for, refused, and shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db.models import F

from events import bus
from events.log.models import Event
from events.replay.models import Replay
from executions.models import Execution
from tests.replaying import Api, after, person, record
from workflow_platform.core.accounts.models import Role
from workflow_platform.core.secrets import encryption

pytestmark = pytest.mark.django_db
PATH = "/api/events/replay/"
URL = "http://127.0.0.2:9/hook?token=of-ours"


@pytest.fixture(autouse=True)
def outbound_allowed(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.2"]


@pytest.fixture
def api() -> Api:
    return Api(person("editor", Role.EDITOR))


def errors(answer: Any) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


def test_a_replay_is_made_shown_and_controlled(api: Api) -> None:
    execution, _ = record([0, 1_000, 60_000])
    made = api("POST", PATH, {"filter": {"execution": str(execution)}, "speed": 4})
    assert made.status_code == 201
    said = made.json()
    assert said["stream"] == f"replay:{said['id']}"
    assert (said["state"], said["total"], said["duration_ms"], said["speed"]) == ("running", 3, 60_000, 4.0)
    assert said["filter"] == {"execution": str(execution)}
    path = f"/api/events/replays/{said['id']}/"
    assert api("POST", f"{path}pause/").json()["state"] == "paused"
    sought = api("POST", f"{path}seek/", {"sequence": 2}).json()
    assert (sought["position"], sought["percent"], sought["offset_ms"]) == (2, 66.7, 1_000.0)
    assert datetime.fromisoformat(sought["time"]) == after(1_000)
    assert api("POST", f"{path}speed/", {"speed": 0.5}).json()["speed"] == 0.5
    assert api("POST", f"{path}resume/").json()["state"] == "running"
    assert api("POST", f"{path}cancel/").json()["state"] == "cancelled"
    assert api("POST", f"{path}resume/").status_code == 409
    assert api("GET", path).json()["state"] == "cancelled"
    (listed,) = api("GET", f"/api/events/replays/?execution={execution}").json()["results"]
    assert listed["id"] == said["id"]


def test_what_has_no_meaning_is_refused_and_named(api: Api) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "filter"),
        ({"filter": {"type": ["execution.*"]}}, "filter.type"),
        ({"filter": {"types": ["execution.invented"]}}, "filter.types"),
        ({"filter": {"sources": ["X y"]}}, "filter.sources"),
        ({"filter": {"execution": "x"}}, "filter.execution"),
        ({"filter": {}, "speed": 1000.1}, "speed"),
        ({"filter": {}, "speed": 0.001}, "speed"),
        ({"filter": {}, "delay_ms": -1}, "delay_ms"),
        ({"filter": {}, "delay_ms": 10, "at_once": True}, "at_once"),
        ({"filter": {}, "pace": 2}, "pace"),
        ({"filter": {}, "target": {"type": "endpoint"}}, "target.url"),
        ({"filter": {}, "target": {"type": "stream", "url": URL}}, "target.url"),
        ({"filter": {}, "target": {"type": "endpoint", "url": "http://127.0.0.1/"}}, "target.url"),
        ({"filter": {}, "target": {"type": "endpoint", "url": "ftp://127.0.0.2/"}}, "target.url"),
        ({"filter": {}, "target": {"type": "endpoint", "url": URL, "headers": {"webhook-id": "x"}}}, "target.headers"),
        ({"filter": {}, "target": {"type": "endpoint", "url": URL, "headers": {"X": "a\r\nb"}}}, "target.headers"),
        ({"filter": {}, "target": {"type": "endpoint", "url": URL, "secret": "whsec_?????"}}, "target.secret"),
    ]
    for body, field in refused:
        answer = api("POST", PATH, body)
        assert (answer.status_code, errors(answer)) == (400, [field]), (body, answer.json())
    assert Replay.objects.count() == 0


def test_too_many_events_name_the_filter(api: Api, settings: Any) -> None:
    settings.REPLAY_MAX_EVENTS = 1
    record([0, 1])
    answer = api("POST", PATH, {"filter": {}})
    assert (answer.status_code, errors(answer)) == (400, ["filter"])


def test_a_user_has_so_many_unfinished_replays_and_no_more(api: Api, settings: Any) -> None:
    settings.REPLAY_MAX_PER_USER = 2
    record([0, 60_000])
    ids = [api("POST", PATH, {"filter": {}}).json()["id"] for _ in range(2)]
    assert api("POST", PATH, {"filter": {}}).status_code == 429
    assert Api(person("other"))("POST", PATH, {"filter": {}}).status_code == 201
    Replay.objects.filter(pk=ids[0]).update(finishes_at=F("created_at"))
    assert api("POST", PATH, {"filter": {}}).status_code == 201


def test_a_filter_may_have_a_text(api: Api) -> None:
    record([0, 1])
    totals = [api("POST", PATH, {"filter": {"text": text}}).json()["total"] for text in ("EXECUTION.LOG", "nowhere")]
    assert totals == [2, 0]


def test_the_list_shows_what_is_unfinished(api: Api) -> None:
    record([0, 60_000])
    first, second = (api("POST", PATH, {"filter": {}}).json()["id"] for _ in range(2))
    api("POST", f"/api/events/replays/{first}/cancel/", {})
    listed = api("GET", "/api/events/replays/?mine=true&unfinished=true&fields=id,state").json()["results"]
    assert listed == [{"id": second, "state": "running"}]


def test_the_same_key_returns_the_same_replay(api: Api) -> None:
    record([0, 1])
    first, again = (api("POST", PATH, {"filter": {}}, key="once").json() for _ in range(2))
    assert first["id"] == again["id"]
    assert Replay.objects.count() == 1


def test_no_secret_of_an_endpoint_is_shown_or_stored_as_it_is(api: Api) -> None:
    record([0])
    target = {"type": "endpoint", "url": URL, "headers": {"Authorization": "Bearer of-ours"}, "secret": "of-ours-too"}
    answer = api("POST", PATH, {"filter": {}, "target": target})
    assert answer.status_code == 201
    assert "of-ours" not in answer.content.decode()
    shown = answer.json()["target"]
    assert shown["url"] == "http://127.0.0.2:9/hook?token=•••"
    assert (shown["headers"], shown["signed"]) == (["Authorization"], True)
    secrets = bytes(Replay.objects.get().secrets or b"")
    assert b"of-ours" not in secrets
    assert b"of-ours-too" in encryption.decrypt(secrets)


def test_to_an_endpoint_goes_only_what_an_editor_could_send(api: Api) -> None:
    record([0, 1])
    target = {"type": "endpoint", "url": URL}
    viewer = Api(person("viewer"))
    assert viewer("POST", PATH, {"filter": {}, "target": target}).json()["total"] == 0
    assert viewer("POST", PATH, {"filter": {}}).json()["total"] == 2
    assert api("POST", PATH, {"filter": {}, "target": target}).json()["total"] == 2


def test_a_stranger_finds_nothing_and_changes_nothing(api: Api) -> None:
    execution, _ = record([0, 60_000])
    replay = api("POST", PATH, {"filter": {"execution": str(execution)}}).json()
    stranger = Api(person("stranger", Role.ADMIN, "elsewhere"))
    for filter in ({"execution": str(execution)}, {"streams": [f"execution:{execution}"]}, {"streams": ["executions"]}):
        assert stranger("POST", PATH, {"filter": filter}).json()["total"] == 0
    path = f"/api/events/replays/{replay['id']}/"
    assert stranger("GET", path).status_code == 404
    for action in ("pause", "resume", "seek", "speed", "cancel"):
        assert stranger("POST", f"{path}{action}/", {"sequence": 1, "speed": 1}).status_code == 404
    assert replay["id"] not in stranger("GET", "/api/events/replays/").content.decode()
    colleague = Api(person("colleague"))
    assert colleague("GET", path).status_code == 200
    assert colleague("POST", f"{path}pause/").status_code == 403


def test_nothing_runs_and_nobody_is_told_again(api: Api) -> None:
    heard: list[Any] = []
    record([0, 1])
    before = (Execution.objects.count(), Event.objects.count())
    handle = bus.subscribe(heard.append, types=["*"], when="in_transaction")
    try:
        replay = api("POST", PATH, {"filter": {}, "at_once": True}).json()
        api("POST", f"/api/events/replays/{replay['id']}/seek/", {"sequence": 1})
    finally:
        handle.cancel()
    assert (Execution.objects.count(), Event.objects.count(), heard) == (*before, [])
