"""The bus in one process: who hears what, when, and what becomes of subscribers that fail or are slow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from events import bus, log
from events.bus import EventFilter, InvalidEvent, RecordedEvent, Subscription, after_commit
from events.log.models import Event, Stream
from tests.engine import COMMITS
from tests.recording import append, make_stream, messages, said
from workflow_platform.installation.embedded import wait_until

SUMMARY = {
    **dict.fromkeys(("nodes_executed", "nodes_failed", "nodes_skipped"), 0),
    "duration_ms": 1.0,
    "slowest": None,
    "fastest": None,
}
ALL = {"workspaces": None, "installation": True}
Subscribe = Callable[..., Subscription]


@pytest.fixture
def subscribe() -> Iterator[Subscribe]:
    """Subscribe until the end of the test."""
    made: list[Subscription] = []

    def until_the_end(*args: Any, **kwargs: Any) -> Subscription:
        made.append(bus.subscribe(*args, **kwargs))
        return made[-1]

    yield until_the_end
    for subscription in made:
        subscription.cancel()
    wait_until(after_commit.is_idle, "The subscribers")


def quiet() -> None:
    wait_until(after_commit.is_idle, "The subscribers")


def roll_back(stream: Stream) -> None:
    with transaction.atomic():
        append(stream, "rolled back")
        transaction.set_rollback(True)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after_commit, "FIRST_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(after_commit, "REPORT_SECONDS", 0.0)


# --- who hears what ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_subscriber_hears_the_types_sources_and_times_that_it_asked_for_and_nothing_else(
    subscribe: Subscribe,
) -> None:
    stream, now = make_stream(), datetime.now(UTC)
    heard: dict[str, list[str]] = {}
    wanted: dict[str, dict[str, Any]] = {
        "all": {},
        "by pattern": {"types": ["execution.l*"]},
        "other types": {"types": ["system.*", "execution.progress"]},
        "one source": {"sources": ["tests.one"]},
        "sources by pattern": {"sources": ["tests.*"]},
        "either": {"sources": ["tests.*", "other"]},
        "since": {"since": now},
        "until": {"until": now},
        "where": {"where": lambda event: event.data["message"].endswith("late")},
    }
    for name, kwargs in wanted.items():
        heard[name] = []
        subscribe(lambda e, name=name: heard[name].append(e.data["message"]), when="in_transaction", **kwargs)
    with transaction.atomic():
        log.append(
            [
                log.NewEvent(stream.pk, "execution.log", said("one early"), "tests.one", time=now - timedelta(1)),
                log.NewEvent(stream.pk, "execution.log", said("two late"), "tests.two", time=now + timedelta(1)),
                log.NewEvent(stream.pk, "execution.log", said("other late"), "other", time=now),
            ]
        )
    everything = ["one early", "two late", "other late"]
    assert heard == {
        "all": everything,
        "by pattern": everything,
        "other types": [],
        "one source": ["one early"],
        "sources by pattern": ["one early", "two late"],
        "either": everything,
        "since": ["two late", "other late"],
        "until": ["one early"],
        "where": ["two late", "other late"],
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"types": ["execution.*", "executoin.*"]}, "types: 'executoin"),
        ({"types": "execution.*"}, "types: expected a list"),
        ({"sources": "tests"}, "sources: expected a list"),
        ({"since": datetime(2026, 1, 1)}, "since: "),
        ({"when": "later"}, "when: "),
    ],
)
def test_a_subscription_that_nothing_could_fit_is_refused_with_the_argument_s_name(
    kwargs: dict[str, Any], named: str
) -> None:
    with pytest.raises(bus.BadSubscription, match=named):
        bus.subscribe(print, **kwargs)


@pytest.mark.django_db
def test_a_cancelled_subscriber_hears_nothing_more(subscribe: Subscribe) -> None:
    stream, heard = make_stream(), list[str]()

    @bus.subscribe(types=["execution.log"], when="in_transaction")
    def decorated(event: RecordedEvent) -> None:
        heard.append("decorated")

    subscription = subscribe(lambda e: heard.append("plain"), when="in_transaction")
    append(stream, "first")
    bus.unsubscribe(subscription)
    bus.unsubscribe(decorated)
    append(stream, "second")
    assert sorted(heard) == ["decorated", "plain"]


# --- in the transaction -----------------------------------------------------------------------------------------------


@COMMITS
def test_a_subscriber_in_the_transaction_undoes_it_with_its_exception(subscribe: Subscribe) -> None:
    stream = make_stream()

    def refuse(event: RecordedEvent) -> None:
        raise RuntimeError("no")

    subscribe(refuse, types=["execution.log"], when="in_transaction")
    with pytest.raises(RuntimeError, match="no"):
        append(stream, "refused")
    assert not Event.objects.filter(stream=stream).exists()


@COMMITS
def test_once_in_a_transaction_counts_only_when_that_is_committed(subscribe: Subscribe) -> None:
    stream, heard = make_stream(), list[str]()
    subscribe(lambda e: heard.append(e.data["message"]), once=True, when="in_transaction")
    roll_back(stream)
    append(stream, "kept", "same transaction")
    append(stream, "too late")
    assert heard == ["rolled back", "kept"]


# --- after the commit -------------------------------------------------------------------------------------------------


@COMMITS
def test_after_commit_subscribers_hear_in_order_and_nothing_of_what_was_rolled_back(subscribe: Subscribe) -> None:
    stream, heard, batches = make_stream(), list[str](), list[list[str]]()
    subscribe(lambda e: heard.append(e.data["message"]))
    subscribe(lambda events: batches.append(messages(events)), batches=True)
    roll_back(stream)
    expected = [[f"{n}.{m}" for m in range(3)] for n in range(50)]
    for texts in expected:
        append(stream, *texts)
    quiet()
    assert batches == expected
    assert heard == [text for texts in expected for text in texts]


@COMMITS
def test_once_after_the_commit_is_one_call_even_if_the_first_try_fails(subscribe: Subscribe, impatient: None) -> None:
    stream, heard, failing = make_stream(), list[str](), [True]

    def hear(event: RecordedEvent) -> None:
        if failing.pop() if failing else False:
            raise RuntimeError
        heard.append(event.data["message"])

    subscribe(hear, once=True)
    append(stream, "first", "second")
    append(stream, "third")
    quiet()
    assert heard == ["first"]


@COMMITS
def test_a_failing_subscriber_is_tried_again_in_order_and_told_of_at_last(
    subscribe: Subscribe, impatient: None
) -> None:
    stream, tried = make_stream(), list[str]()

    def fail_on_some(event: RecordedEvent) -> None:
        text = event.data["message"]
        tried.append(text)
        if text == "never" or (text == "twice" and tried.count(text) < 3):
            raise ValueError(f"cannot do {text}")

    subscribe(fail_on_some, types=["execution.log"], name="a subscriber of tests")
    append(stream, "well", "twice", "never", "after")
    append(stream, "last")
    quiet()
    assert tried == ["well", *["twice"] * 3, *["never"] * after_commit.ATTEMPTS, "after", "last"]
    told = Event.objects.get(type="system.error")
    assert told.data["component"] == "a subscriber of tests"
    assert "ValueError: cannot do never" in told.data["message"]
    assert told.data["figures"] == {"events": 1.0, "attempts": float(after_commit.ATTEMPTS)}


@COMMITS
def test_a_subscriber_that_fails_on_reports_of_failures_causes_no_more_of_them(
    subscribe: Subscribe, impatient: None
) -> None:
    def fail(event: RecordedEvent) -> None:
        raise ValueError

    subscribe(fail)
    append(make_stream(), "fails")
    quiet()
    assert Event.objects.filter(type="system.error").count() == 1


@COMMITS
def test_slow_subscribers_hold_up_neither_the_writer_nor_the_others(subscribe: Subscribe) -> None:
    stream, go_on, stuck, heard = make_stream(), threading.Event(), threading.Semaphore(0), list[str]()

    def wait(event: RecordedEvent) -> None:
        stuck.release()
        assert go_on.wait(60)

    for _ in range(8):
        subscribe(wait, types=["execution.log"])
    subscribe(lambda e: heard.append(e.data["message"]), types=["execution.log"])
    append(stream, "first")  # returns, though none of them does
    append(stream, "second")
    for _ in range(8):
        assert stuck.acquire(timeout=10)
    wait_until(lambda: heard == ["first", "second"], "The quick one")
    go_on.set()
    quiet()


@COMMITS
def test_what_a_subscriber_does_not_keep_up_with_is_bounded_and_told_of(
    subscribe: Subscribe, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after_commit, "MAX_WAITING", 10)
    stream, go_on, heard = make_stream(), threading.Event(), list[str]()

    def hear(event: RecordedEvent) -> None:
        assert go_on.wait(60)
        heard.append(event.data["message"])

    subscribe(hear, types=["execution.log"])
    for n in range(20):
        append(stream, str(n))
    go_on.set()
    quiet()
    assert heard == sorted(heard, key=int)
    lost = sum(event.data["figures"]["events"] for event in Event.objects.filter(type="system.error"))
    assert len(heard) + lost == 20
    assert 10 <= len(heard) < 20


# --- publishing, history, replay --------------------------------------------------------------------------------------


@COMMITS
def test_publishing_opens_a_transaction_where_none_is_open_and_names_what_is_wrong() -> None:
    event = bus.publish("system.error", {"component": "shop", "message": "Closed."}, source="tests")
    assert (event.stream, event.data["message"]) == ("system", "Closed.")
    stream = make_stream()
    event = bus.publish("execution.log", said("hello"), "tests", stream.name)
    assert event.execution_id == stream.name.removeprefix("execution:")
    ended = make_stream()
    Stream.objects.filter(pk=ended.pk).update(ended_at=datetime.now(UTC))
    good = ("execution.log", said("x"), "tests", stream.name)
    wrong: list[tuple[tuple[Any, ...], str]] = [
        (("execution.lgo", *good[1:]), "type"),
        ((good[0], {"level": "info", "message": 1}, *good[2:]), "data.message"),
        ((good[0], {**said("x"), "more": 1}, *good[2:]), "data.more"),
        ((*good[:2], "Not A Source", good[3]), "source"),
        ((*good[:3], "execution:none"), "stream"),
        ((*good[:3], ended.name), "stream"),
        (good[:3], "stream"),
    ]
    for arguments, field in wrong:
        with pytest.raises(InvalidEvent, match=field) as caught:
            bus.publish(*arguments)
        assert set(caught.value.errors) == {field}
    assert Event.objects.filter(stream=stream).count() == 1


@COMMITS
def test_nothing_is_published_behind_an_end_that_comes_in_the_same_instant() -> None:
    stream, ending, go_on = make_stream(), threading.Event(), threading.Event()

    def end() -> None:
        with transaction.atomic():
            data = {"reason": "r", "by": None, "summary": SUMMARY}
            log.append([log.NewEvent(stream.pk, "execution.cancelled", data, "tests")])
            ending.set()
            assert go_on.wait(60)
        connection.close()

    writer = threading.Thread(target=end)
    writer.start()
    assert ending.wait(60)
    refused: list[InvalidEvent] = []

    def publish() -> None:
        try:
            bus.publish("execution.log", said("late"), "tests", stream.name)
        except InvalidEvent as error:
            refused.append(error)
        connection.close()

    late = threading.Thread(target=publish)
    late.start()
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(waits)
            return bool(cursor.fetchone()[0])

    wait_until(is_waiting, "The one that is late")
    go_on.set()
    for thread in (writer, late):
        thread.join()
    assert [set(error.errors) for error in refused] == [{"stream"}]
    assert Event.objects.filter(stream=stream).count() == 1


def heard_by_replay(**kwargs: Any) -> tuple[list[str], float]:
    began, heard = datetime.now(UTC), list[RecordedEvent]()
    assert bus.replay(EventFilter(types=["execution.log"], **ALL), heard.append, **kwargs) == len(heard)
    return messages(heard), (datetime.now(UTC) - began).total_seconds()


@COMMITS
def test_replay_hands_over_history_at_its_pace_and_nobody_else_hears_of_it(subscribe: Subscribe) -> None:
    stream, now = make_stream(), datetime.now(UTC)
    times = [now, now + timedelta(minutes=20), now + timedelta(hours=1)]  # at the original pace this would not end
    with transaction.atomic():
        log.append(
            [log.NewEvent(stream.pk, "execution.log", said(str(n)), "tests", time=t) for n, t in enumerate(times)]
        )
    overheard: list[Sequence[RecordedEvent]] = []
    subscribe(overheard.append)
    expected = ["0", "1", "2"]
    assert messages(list(bus.history(EventFilter(types=["execution.log"], **ALL)))) == expected
    for kwargs, least in (({}, 0), ({"delay": 0.1}, 0.2), ({"speed": 12_000.0}, 0.3)):
        found, took = heard_by_replay(**kwargs)
        assert found == expected
        assert took >= least, kwargs
    with pytest.raises(ValueError, match="not both"):
        heard_by_replay(delay=1, speed=1)
    quiet()
    assert not overheard
