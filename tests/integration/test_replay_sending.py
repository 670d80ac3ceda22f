"""Replays to an endpoint: in order, at their pace, once the receiver takes them, whatever happens to the worker."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psutil
import pytest
from django.db import connection

from events.replay import jobs, reading, sending
from events.replay.control import Command, order
from events.replay.creation import Pace
from events.replay.models import Mode, Replay, State
from events.replay.sending import Endpoint
from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.engine import COMMITS
from tests.executing import execute, query, save, until
from tests.replaying import person, record, replay_of
from tests.workflows import edge, node
from workflow_platform.core.accounts.models import Role
from workflow_platform.installation.embedded import wait_until
from workflow_platform.installation.supervision import processes

AT_ONCE = Pace(Mode.AT_ONCE)
SECRET = "whsec_" + base64.b64encode(b"a secret of the receiver").decode()


@pytest.fixture
def server(settings: Any) -> Iterator[Answering]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2"]
    with answering() as found:
        found.open("hook")
        yield found


def to(server: Answering, times: list[float], pace: Pace = AT_ONCE) -> Replay:
    execution, _ = record(times)
    endpoint = Endpoint(f"{server.url}hook", {"X-Of": "tests"}, SECRET)
    return replay_of(execution, person("editor", Role.EDITOR), pace, endpoint)[0]


def send(replay: Replay) -> Replay:
    """Do the work of a job, at once even where a retry waits. Returns the replay as it is then."""
    Replay.objects.filter(pk=replay.pk, next_at__isnull=False).update(next_at=reading.database_now())
    sending.send(replay.pk, threading.Event())
    replay.refresh_from_db()
    return replay


def sequences(server: Answering) -> list[int]:
    return [orjson.loads(body)["sequence"] for body in server.bodies]


@contextmanager
def in_the_background(replay: Replay) -> Iterator[None]:
    def work() -> None:
        sending.send(replay.pk, threading.Event())
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


@COMMITS
def test_each_event_is_a_signed_cloud_event_that_says_that_it_is_a_replay(server: Answering) -> None:
    replay = send(to(server, [0, 1]))
    assert (replay.state, replay.position, sequences(server)) == (State.COMPLETED, 2, [1, 2])
    body, headers = orjson.loads(server.bodies[0]), server.asked[0]
    assert {name: body[name] for name in ("specversion", "type", "replay", "stream", "datacontenttype")} == {
        "specversion": "1.0",
        "type": "execution.log",
        "replay": True,
        "stream": replay.stream,
        "datacontenttype": "application/json",
    }
    assert body["subject"] == body["originalstream"] == f"execution:{replay.filter['execution']}"
    assert body["data"]["message"] == "event 1"
    assert all(name.isalnum() and name.islower() for name in body)
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert (headers["x-replay"], headers["x-of"]) == (str(replay.pk), "tests")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + server.bodies[0]
    digest = hmac.new(b"a secret of the receiver", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert len({asked["webhook-id"] for asked in server.asked}) == 2


@COMMITS
def test_a_receiver_that_never_takes_an_event_fails_the_replay_which_can_be_resumed(server: Answering) -> None:
    replay = to(server, [0, 1, 2])
    server.statuses = [200, *[503] * sending.MAX_ATTEMPTS]
    for _ in range(sending.MAX_ATTEMPTS):
        replay = send(replay)
    assert (replay.state, replay.position) == (State.FAILED, 1)
    assert replay.error == "The endpoint answered 503."
    assert {asked["webhook-id"] for asked in server.asked[1:]} == {f"{replay.pk}.2"}
    assert send(replay).state == State.FAILED
    order(replay.pk, Command("resume"), None)
    replay = send(replay)
    assert (replay.state, replay.error) == (State.COMPLETED, "")
    assert sequences(server) == [1, *[2] * sending.MAX_ATTEMPTS, 2, 3]


@COMMITS
def test_where_nothing_may_be_sent_the_replay_fails_at_once(server: Answering, settings: Any) -> None:
    replay = to(server, [0])
    settings.OUTBOUND_ALLOW = []
    replay = send(replay)
    assert replay.state == State.FAILED
    assert "not a public address" in replay.error
    assert server.asked == []


@COMMITS
def test_pause_and_seek_hold_from_the_next_event_on(server: Answering) -> None:
    replay = to(server, [0, 1, 2, 3])
    server.gates["/hook"].clear()
    with in_the_background(replay):
        wait_until(lambda: len(server.asked) == 1, "The first event")
        order(replay.pk, Command("pause"), None)
        server.open("hook")
    replay = send(replay)
    assert (replay.state, replay.position, sequences(server)) == (State.PAUSED, 1, [1])
    order(replay.pk, Command("seek", sequence=2), None)
    order(replay.pk, Command("resume"), None)
    assert (send(replay).state, sequences(server)) == (State.COMPLETED, [1, 3, 4])


@COMMITS
def test_what_is_not_due_for_long_is_left_to_the_sweep(server: Answering) -> None:
    replay = send(to(server, [0, 600_000], Pace(speed=2.0)))
    assert (replay.state, replay.position) == (State.RUNNING, 1)
    assert replay.next_at is not None
    assert 0 < (replay.next_at - reading.database_now()).total_seconds() <= 300
    assert jobs.sweep_due() == 0
    order(replay.pk, Command("speed", speed=1000.0), None)
    assert (send(replay).state, sequences(server)) == (State.COMPLETED, [1, 2])


@COMMITS
def test_two_workers_do_not_send_the_same_replay(server: Answering) -> None:
    replay = to(server, [0, 1])
    server.gates["/hook"].clear()
    with in_the_background(replay):
        wait_until(lambda: len(server.asked) == 1, "The first event")
        sending.send(replay.pk, threading.Event())
        assert len(server.asked) == 1
        server.open("hook")
    assert sequences(server) == [1, 2]


# --- with real workers -----------------------------------------------------------------------------------------------


def test_a_receiver_that_fails_at_first_and_a_killed_worker_lose_no_event(
    platform: Platform, server: Answering
) -> None:
    nodes = [node("start", "manual_trigger"), node("end", "no_op")]
    execution = execute(platform, save(platform, nodes, [edge("start", "end")]), {"n": 1})
    until(platform, execution)
    events = platform.request("GET", f"/api/executions/{execution}/events/").json()["events"]
    before = query(platform, "SELECT count(*) FROM events_event WHERE type NOT LIKE 'system.%%'")
    server.statuses = [500, 200, 200, 200]
    target = {"type": "endpoint", "url": f"{server.url}hook"}
    body = {"filter": {"execution": execution}, "at_once": True, "target": target}
    server.gates["/hook"].clear()
    server.free = 3
    replay = platform.request("POST", "/api/events/replay/", json=body).json()
    assert replay["total"] == len(events) > 5
    wait_until(lambda: len(server.asked) == 4, "The fourth request")
    os.kill(_sender(server), signal.SIGKILL)
    server.open("hook")
    path = f"/api/events/replays/{replay['id']}/"
    wait_until(lambda: platform.request("GET", path).json()["state"] == "completed", "The end of the replay")
    came = [orjson.loads(each)["id"] for each in server.bodies]
    assert list(dict.fromkeys(came)) == [event["id"] for event in events]
    assert len(came) <= len(events) + 2  # the one that failed at first, and the one that was under way
    assert query(platform, "SELECT count(*) FROM events_event WHERE type NOT LIKE 'system.%%'") == before
    platform.start(next(p for p in processes("127.0.0.1", 0, workers=1) if p.name == "worker"))


def _sender(server: Answering) -> int:
    """Return the worker that holds a connection to the server."""
    for process in psutil.Process().children(recursive=True):
        if any(each.raddr and each.raddr.port == server.server_port for each in process.net_connections()):
            return process.pid
    raise AssertionError("Nobody is connected.")
