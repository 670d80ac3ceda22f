"""Replays to a URL: in order, at their pace, once the receiver takes them, whatever happens to the worker."""

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
import pytest
from django.db import connection, transaction
from django.utils import timezone

from events import log
from events.catalogue.stream_names import SYSTEM
from events.history.event_filter import EventFilter
from events.log import NewEvent
from events.log.models import Stream
from events.replay import jobs, reading, sending
from events.replay.control import Command, apply_command
from events.replay.creation import ReplayPace, ReplayRequest, create
from events.replay.models import Replay, ReplayMode, ReplayStatus
from events.replay.url_target import UrlTarget
from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.engine import COMMITS
from tests.executing import execute, query, save, until
from tests.replaying import person, record, replay_of
from tests.sending import sending as sending_deliveries
from tests.servers import connections
from tests.workflows import edge, node
from webhooks.models import Delivery, DeliveryStatus, Lane
from webhooks.operations import replays
from workflow_platform.core.accounts.models import Role
from workflow_platform.installation.embedded import wait_until
from workflow_platform.installation.supervision import processes

AT_ONCE = ReplayPace(ReplayMode.AT_ONCE)
SECRET = "whsec_" + base64.b64encode(b"a secret of the receiver").decode()


@pytest.fixture
def server(settings: Any) -> Iterator[Answering]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2"]
    with answering() as found:
        found.open("hook")
        yield found


def to(server: Answering, times: list[float], pace: ReplayPace = AT_ONCE) -> Replay:
    execution, _ = record(times)
    endpoint = UrlTarget(f"{server.url}hook", {"X-Of": "tests"}, SECRET)
    return replay_of(execution, person("editor", Role.EDITOR), pace, endpoint)[0]


def send(replay: Replay) -> Replay:
    """Do the work of jobs and of a sender until no delivery is under way; retries and circuit breakers do not wait.
    Returns the replay as it is then."""
    Replay.objects.filter(pk=replay.pk, next_at__isnull=False).update(next_at=reading.database_now())
    sending.send(replay.pk, threading.Event())
    with sending_deliveries() as sender:

        def sent() -> bool:
            Lane.objects.update(open_until=None)
            Delivery.objects.filter(status=DeliveryStatus.PENDING).update(due_at=timezone.now())
            sender.drain()
            return not Replay.objects.filter(pk=replay.pk, delivery_id__isnull=False).exists()

        wait_until(sent, "The replay", 60)
    replay.refresh_from_db()
    return replay


def sequences(server: Answering) -> list[int]:
    return [orjson.loads(body)["sequence"] for body in server.bodies]


@contextmanager
def in_the_background(replay: Replay) -> Iterator[None]:
    def work() -> None:
        send(Replay.objects.get(pk=replay.pk))
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


@COMMITS
def test_each_event_is_a_signed_cloud_event_that_says_that_it_is_a_replay(server: Answering) -> None:
    replay = send(to(server, [0, 1]))
    assert (replay.state, replay.position, sequences(server)) == (ReplayStatus.COMPLETED, 2, [1, 2])
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
    attempts = replays.RETRIES.max_attempts or 0
    server.statuses = [200, *[503] * attempts]
    replay = send(replay)
    assert (replay.state, replay.position) == (ReplayStatus.FAILED, 1)
    assert replay.error == "The receiver responded with 503."
    assert {asked["webhook-id"] for asked in server.asked[1:]} == {f"{replay.pk}.2"}
    assert send(replay).state == ReplayStatus.FAILED
    apply_command(replay.pk, Command("resume"), None)
    replay = send(replay)
    assert (replay.state, replay.error) == (ReplayStatus.COMPLETED, "")
    assert sequences(server) == [1, *[2] * attempts, 2, 3]


@COMMITS
def test_where_nothing_may_be_sent_the_replay_fails_at_once(server: Answering, settings: Any) -> None:
    replay = to(server, [0])
    settings.OUTBOUND_ALLOW = []
    replay = send(replay)
    assert replay.state == ReplayStatus.FAILED
    assert "not a public address" in replay.error
    assert server.asked == []


@COMMITS
def test_pause_and_seek_hold_from_the_next_event_on(server: Answering) -> None:
    replay = to(server, [0, 1, 2, 3])
    server.gates["/hook"].clear()
    with in_the_background(replay):
        wait_until(lambda: len(server.asked) == 1, "The first event")
        apply_command(replay.pk, Command("pause"), None)
        server.open("hook")
    replay = send(replay)
    assert (replay.state, replay.position, sequences(server)) == (ReplayStatus.PAUSED, 1, [1])
    apply_command(replay.pk, Command("seek", sequence=2), None)
    apply_command(replay.pk, Command("resume"), None)
    assert (send(replay).state, sequences(server)) == (ReplayStatus.COMPLETED, [1, 3, 4])


@COMMITS
def test_what_is_not_due_for_long_is_left_to_the_sweep(server: Answering) -> None:
    replay = send(to(server, [0, 600_000], ReplayPace(speed=2.0)))
    assert (replay.state, replay.position) == (ReplayStatus.RUNNING, 1)
    assert replay.next_at is not None
    assert 0 < (replay.next_at - reading.database_now()).total_seconds() <= 300
    assert jobs.sweep_due() == 0
    apply_command(replay.pk, Command("speed", speed=1000.0), None)
    assert (send(replay).state, sequences(server)) == (ReplayStatus.COMPLETED, [1, 2])


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


@COMMITS
def test_the_delivery_of_an_event_is_seen_in_the_workspace_of_the_event_without_secrets(server: Answering) -> None:
    replay = send(to(server, [0]))
    delivery = Delivery.objects.get()
    (event,) = replay.events.all()
    assert (delivery.origin, delivery.status, delivery.event_id) == ("replay", "delivered", event.event_id)
    assert [str(delivery.workspace_id)] == list(map(str, replay.workspace_ids))
    assert delivery.message_id == f"{replay.pk}.1" == server.asked[0]["webhook-id"]
    attempt = delivery.attempts.get()
    assert attempt.request_headers["x-replay"] == str(replay.pk)
    assert attempt.request_headers["X-Of"] == "•••"
    assert SECRET not in str(attempt.__dict__)


@COMMITS
def test_events_of_the_installation_are_sent_to_a_url_and_no_workspace_sees_the_delivery(server: Answering) -> None:
    data = {"component": "tests", "message": "An error."}
    with transaction.atomic():
        log.append([NewEvent(Stream.objects.get(name=SYSTEM).pk, "system.error", data, "tests")])
    target = UrlTarget(f"{server.url}hook")
    wanted = EventFilter(types=["system.error"], sources=["tests"], workspaces=None, installation=True)
    replay = send(create(ReplayRequest(wanted, {}, AT_ONCE, target), None))
    assert (replay.state, replay.with_installation, len(server.asked)) == (ReplayStatus.COMPLETED, True, 1)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.workspace_id) == ("delivered", None)
    assert not Delivery.objects.visible_to(person("editor", Role.ADMIN)).exists()


@COMMITS
def test_a_pause_ends_the_retries_of_an_event_and_a_resume_sends_it_again(
    server: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "RETRIES", replays.RETRIES.model_copy(update={"initial_seconds": 60}))
    replay = to(server, [0, 1])
    server.statuses = [503]
    sending.send(replay.pk, threading.Event())
    with sending_deliveries() as sender:
        sender.drain()
        assert sending.advance(replay.pk) is None
        replay.refresh_from_db()
        assert (replay.attempt, replay.error) == (1, "The receiver responded with 503.")
        apply_command(replay.pk, Command("pause"), None)
    assert Delivery.objects.get().status == "cancelled"
    replay = send(replay)
    assert (replay.state, replay.position, replay.delivery_id) == (ReplayStatus.PAUSED, 0, None)
    apply_command(replay.pk, Command("resume"), None)
    assert (send(replay).state, sequences(server)) == (ReplayStatus.COMPLETED, [1, 1, 2])
    assert len({asked["webhook-id"] for asked in server.asked[:2]}) == 1


@COMMITS
def test_a_lost_report_of_a_delivery_is_made_up_for_by_the_sweep(server: Answering) -> None:
    replay = to(server, [0, 1])
    sending.send(replay.pk, threading.Event())
    Delivery.objects.update(status=DeliveryStatus.DELIVERED, ended_at=timezone.now())
    Replay.objects.update(next_at=reading.database_now())
    assert jobs.sweep_due() == 1
    assert (send(replay).state, sequences(server)) == (ReplayStatus.COMPLETED, [2])


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
    return next(process.pid for process, each in connections() if each.raddr and each.raddr.port == server.server_port)
