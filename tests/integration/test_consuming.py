"""Durable subscriptions: a consumer gets what it missed, at least once, in order, whatever becomes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.test import Client

from events import bus, log
from events.bus import HandlerFailed, RecordedEvent, positions
from events.bus.models import EventSubscription
from events.catalogue.stream_names import SYSTEM
from events.history import history
from events.log.models import Event
from events.streaming import publisher
from tests.conftest import ROOT
from tests.engine import COMMITS
from tests.recording import append, make_stream, messages, said
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.installation.embedded import wait_until

Handler = Callable[[list[RecordedEvent]], object]


@contextmanager
def consuming(name: str, handler: Any, **kwargs: Any) -> Iterator[None]:
    """Consume in a thread while the block runs."""
    stop, raised = threading.Event(), list[BaseException]()

    def consume() -> None:
        try:
            bus.consume(name, handler, stop=stop, **kwargs)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
    assert not raised, raised


def consume_all(name: str, handler: Any, **kwargs: Any) -> None:
    bus.consume(name, handler, begin="start", once=True, **kwargs)


@COMMITS
def test_a_consumer_that_was_away_goes_on_from_where_it_was_and_hears_only_what_it_asked_for() -> None:
    stream, heard = make_stream(), list[str]()
    append(stream, "before")
    assert bus.consume("away", print, once=True) is None  # begins now
    append(stream, "first", "second")
    append(stream, "other", source="others")
    bus.publish("system.error", {"component": "c", "message": "m"}, "tests")
    consume_all("away", lambda events: heard.extend(messages(events)), types=["execution.*"], sources=["tests*"])
    append(stream, "third")
    consume_all("away", lambda events: heard.extend(messages(events)))
    consume_all("away", lambda events: heard.extend(messages(events)))
    assert heard == ["first", "second", "third"]


@COMMITS
def test_a_workspace_s_subscription_hears_of_no_other_workspace() -> None:
    append(make_stream("tests"), "ours")
    append(make_stream("others"), "theirs")
    bus.publish("system.error", {"component": "c", "message": "m"}, "tests")
    heard: list[RecordedEvent] = []
    consume_all("ours", heard.extend, workspace=Workspace.objects.get(slug="tests"))
    assert messages(heard) == ["ours"]
    heard = []
    consume_all("everything", heard.extend)
    assert len(heard) == 3


@COMMITS
def test_a_row_whose_transaction_commits_late_is_not_skipped() -> None:
    early, late, heard = make_stream(), make_stream(), list[str]()
    begun, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            log.append([log.NewEvent(late.pk, "execution.log", said("late"), "tests")])
            begun.set()
            assert go_on.wait(60)
        connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert begun.wait(60)
    append(early, "early")  # its number is the higher one, and it is committed first
    with consuming("late", lambda events: heard.extend(messages(events)), begin="start"):
        wait_until(lambda: EventSubscription.objects.filter(name="late").exclude(holder="").exists(), "The consumer")
        assert heard == []
        go_on.set()
        wait_until(lambda: len(heard) == 2, "Both")
    writer.join()
    assert heard == ["late", "early"]


@COMMITS
def test_what_the_handler_writes_is_committed_with_the_place_and_a_failure_skips_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("events.bus.durable.FIRST_DELAY_SECONDS", 0.01)
    stream, calls = make_stream(), list[list[str]]()
    append(stream, "1", "2", "3", "4")

    def write(events: list[RecordedEvent]) -> None:
        calls.append(messages(events))
        for text in messages(events):
            Workspace.objects.create(slug=f"made-{text}", name=text)
            if text == "3" and len(calls) < 8:
                raise ValueError("not yet")

    with pytest.raises(HandlerFailed) as caught:
        consume_all("writing", write)
    assert isinstance(caught.value.__cause__, ValueError)
    # The batch was taken apart, so that what precedes the one that fails is done with, once.
    assert calls == [["1", "2", "3", "4"], ["1"], ["2"], ["3"], ["3"], ["3"]]
    assert list(Workspace.objects.filter(slug__startswith="made").values_list("name", flat=True)) == ["1", "2"]
    assert "ValueError: not yet" in EventSubscription.objects.get(name="writing").last_error
    told = Event.objects.get(type="system.error")
    assert told.data["component"] == "writing"
    consume_all("writing", write, types=["execution.*"])
    made = Workspace.objects.filter(slug__startswith="made").order_by("slug")
    assert list(made.values_list("name", flat=True)) == ["1", "2", "3", "4"]
    assert EventSubscription.objects.get(name="writing").last_error == ""


@COMMITS
def test_who_lost_its_lease_while_it_was_at_work_writes_nothing() -> None:
    append(make_stream(), "event")
    handled: list[str] = []

    def write(events: list[RecordedEvent]) -> None:
        Workspace.objects.create(slug=f"made-{len(handled)}", name="made")
        if not handled:  # as if it had been frozen for longer than its lease
            url = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + "/" + connection.settings_dict["NAME"]
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("UPDATE events_eventsubscription SET holder = 'another', lease_expires_at = now()")
        handled.append("once more")

    consume_all("frozen", write)
    assert len(handled) == 2
    assert list(Workspace.objects.filter(name="made").values_list("slug", flat=True)) == ["made-1"]


@COMMITS
def test_a_handler_that_does_not_write_holds_no_transaction_open() -> None:
    append(make_stream(), "event")
    states: list[str] = []

    def look(events: list[RecordedEvent]) -> None:
        pid = connection.connection.info.backend_pid
        with psycopg.connect(os.environ["DATABASE_URL"]) as other:
            found = other.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
            assert found is not None
            states.append(found[0])

    consume_all("reading", look)
    assert states == ["idle"]


@COMMITS
def test_of_two_consumers_of_a_name_one_is_at_work_and_the_other_takes_over(settings: Any) -> None:
    settings.LEASE_SECONDS, settings.HEARTBEAT_SECONDS = 1.0, 0.2
    stream, heard = make_stream(), dict[str, list[str]](one=[], two=[])
    with consuming("shared", lambda events: heard["two"].extend(messages(events))):
        wait_until(lambda: EventSubscription.objects.filter(name="shared").exclude(holder="").exists(), "The lease")
        with consuming("shared", lambda events: heard["one"].extend(messages(events))):
            for n in range(5):
                append(stream, str(n))
            wait_until(lambda: len(heard["two"]) == 5, "The holder")
            assert heard["one"] == []
            # Handled, and the place moved: else the other would rightly get them again.
            wait_until(lambda: positions.lag(EventSubscription.objects.get(name="shared")).events == 0, "The place")
            # As if its process were gone: somebody else's lease, which runs out and is not renewed.
            EventSubscription.objects.update(holder="somebody who died")
            append(stream, "after")
            wait_until(lambda: "after" in heard["one"] + heard["two"], "Whoever takes over")
    assert sorted(heard["one"] + heard["two"]) == ["0", "1", "2", "3", "4", "after"]


@COMMITS
def test_a_hint_wakes_a_consumer_long_before_its_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.bus.durable.POLL_SECONDS", 600.0)
    heard: list[RecordedEvent] = []
    wait_until(lambda: not has_joined(publisher.group_of(SYSTEM)), "The end of earlier ears")
    with consuming("woken", heard.extend, types=["system.*"]):
        wait_until(lambda: has_joined(publisher.group_of(SYSTEM)), "The consumer's ear")
        bus.publish("system.error", {"component": "c", "message": "m"}, "tests")
        wait_until(lambda: len(heard) == 1, "The event")
        bus.publish("system.error", {"component": "c", "message": "m"}, "tests")  # ends the wait


@COMMITS
def test_a_consumer_in_no_hurry_looks_at_intervals_and_listens_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.bus.durable.POLL_SECONDS", 600.0)
    heard: list[RecordedEvent] = []
    wait_until(lambda: not has_joined(publisher.group_of(SYSTEM)), "The end of earlier ears")
    with consuming("slow", heard.extend, types=["system.*"], every=0.01):
        wait_until_it_looked_twice(monkeypatch)
        assert not has_joined(publisher.group_of(SYSTEM))
        bus.publish("system.error", {"component": "c", "message": "m"}, "tests")
        wait_until(lambda: len(heard) == 1, "The event")


@COMMITS
def test_what_was_hinted_at_and_waits_for_an_older_transaction_does_not_wait_for_the_next_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("events.bus.durable.POLL_SECONDS", 60.0)
    heard: list[RecordedEvent] = []
    wait_until(lambda: not has_joined(publisher.group_of(SYSTEM)), "The end of earlier ears")
    with consuming("patient", heard.extend, types=["system.*"]):
        wait_until(lambda: has_joined(publisher.group_of(SYSTEM)), "The consumer's ear")
        with psycopg.connect(os.environ["DATABASE_URL"]) as other:
            other.execute("SELECT pg_current_xact_id()")
            bus.publish("system.error", {"component": "c", "message": "m"}, "tests")
            wait_until_it_looked_twice(monkeypatch)
            assert heard == []
        wait_until(lambda: len(heard) == 1, "The event")
        bus.publish("system.error", {"component": "c", "message": "m"}, "tests")  # ends the wait


def wait_until_it_looked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for two looks of the consumer that begin from now on."""
    looks, read = list[object](), history.read

    def look(*arguments: Any) -> Any:
        looks.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(history, "read", look)
    wait_until(lambda: len(looks) >= 2, "Two looks")


def has_joined(group: str) -> bool:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        counts: Any = client.pubsub_numsub(f"wfp__group__{group}")
        return bool(counts[0][1])


@COMMITS
def test_a_consumer_outlives_the_loss_of_its_connections_and_of_redis(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # where nobody answers
    stream, heard = make_stream(), list[str]()
    lose = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    name = connection.settings_dict["NAME"]
    with consuming("robust", lambda events: heard.extend(messages(events))):
        wait_until(lambda: EventSubscription.objects.filter(name="robust").exclude(holder="").exists(), "The lease")
        for n in range(2):
            connection.close()
            with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
                admin.execute(lose, [name])
            append(stream, str(n))
            wait_until(lambda n=n: str(n) in heard, "The event after the loss")  # type: ignore[misc]
    assert heard == ["0", "1"]


# --- the command, in processes of its own -----------------------------------------------------------------------------


def start_command(*words: str, **kwargs: Any) -> subprocess.Popen[str]:
    """Run the command on the test database."""
    url = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + "/" + connection.settings_dict["NAME"]
    environment = os.environ | {"DATABASE_URL": url, "LEASE_SECONDS": "1", "HEARTBEAT_SECONDS": "0.2"}
    command = [sys.executable, "manage.py", "consume_events", *words]
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, **kwargs)


@COMMITS
def test_a_consumer_killed_before_it_moved_its_place_is_followed_by_one_that_repeats_that_batch(
    tmp_path: Path,
) -> None:
    stream, seen, armed = make_stream(), tmp_path / "seen", tmp_path / "armed"
    for n in range(6):
        append(stream, str(n))
    armed.touch()
    # Handles its second batch, and is killed before it can say so.
    script = tmp_path / "handle"
    script.write_text(
        f"#!/bin/sh\ncat >> {seen}\nif [ $(wc -l < {seen}) -ge 4 ] && rm {armed} 2>/dev/null; then kill -9 $PPID; fi\n"
    )
    script.chmod(0o755)
    words = ("killed", "--from-start", "--types", "execution.log", "--batch", "2", "--exec", str(script))
    first = start_command(*words)
    second = start_command(*words)
    with first, second:
        codes = lambda: {first.poll(), second.poll()}  # noqa: E731
        wait_until(lambda: -signal.SIGKILL in codes(), "The death of the one that had the lease")
        append(stream, "6")
        wait_until(lambda: len(seen.read_text().splitlines()) == 9, "The other, after the lease")
        survivor = first if first.poll() is None else second
        survivor.terminate()  # ends after the batch at hand
        assert survivor.wait(60) == 0
    envelopes = [json.loads(line) for line in seen.read_text().splitlines()]
    assert [e["data"]["message"] for e in envelopes] == ["0", "1", "2", "3", "2", "3", "4", "5", "6"]
    assert envelopes[0]["stream"] == stream.name
    assert EventSubscription.objects.get(name="killed").holder == ""


@COMMITS
def test_the_command_prints_envelopes_and_starts_anew_only_when_told(capsys: pytest.CaptureFixture[str]) -> None:
    append(make_stream(), "one", "two")

    def printed(*words: str) -> list[str]:
        call_command("consume_events", "printing", "--once", *words)
        return [json.loads(line)["data"]["message"] for line in capsys.readouterr().out.splitlines()]

    assert printed("--from-start") == ["one", "two"]
    assert printed("--from-start") == []
    assert printed("--from-start", "--reset") == ["one", "two"]
    for words, named in (
        (["--types", "no.such"], "--types"),
        (["--sources", "No Source"], "--sources"),
        (["--workspace", "nowhere"], "--workspace"),
        (["--batch", "0"], "--batch"),
    ):
        with pytest.raises(CommandError, match=named):
            printed(*words)


@COMMITS
def test_the_admin_shows_how_far_behind_a_subscription_is_and_moves_it(admin_client: Client) -> None:
    stream, url = make_stream(), "/admin/events/eventsubscription/"
    append(stream, "one", "two", "three")

    def fail(events: list[RecordedEvent]) -> None:
        raise ValueError("a poisoned event")

    with consuming("behind", fail, begin="start", types=["execution.*"]):
        wait_until(lambda: EventSubscription.objects.exclude(last_error="").exists(), "The failure")
        page = admin_client.get(url).content.decode()
        for shown in ("behind", "3 events", "a poisoned event", "running:"):
            assert shown in page
    row = EventSubscription.objects.get(name="behind")

    def act(action: str) -> str:
        chosen = {"action": action, "_selected_action": row.pk}
        return admin_client.post(url, chosen, follow=True).content.decode()

    assert "skips execution.log" in act("skip_one")
    heard: list[RecordedEvent] = []
    consume_all("behind", heard.extend, types=["execution.*"])
    assert messages(heard) == ["two", "three"]
    append(stream, "four")
    assert "none waiting" in act("move_to_now")
    consume_all("behind", heard.extend, types=["execution.*"])
    assert messages(heard) == ["two", "three"]
    form = {"types": "no.such", "sources": ""}
    assert "matches no event type" in admin_client.post(f"{url}{row.pk}/change/", form).content.decode()
