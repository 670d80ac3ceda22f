"""History over all streams: nothing skipped and nothing twice, whatever order transactions commit in."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from events import log
from events.catalogue.event_types import UnknownEventType
from events.catalogue.stream_names import FEED, SYSTEM
from events.history import history, scanning
from events.history.cursors import BadCursor
from events.history.event_filter import BadPattern
from events.history.history import START, Cursor, EventFilter
from events.log import NewEvent, transactions
from events.log.models import Stream
from events.log.recorded import RecordedEvent
from tests.engine import COMMITS
from workflow_platform.core.accounts.models import Workspace

T = TypeVar("T")
EVERYTHING = EventFilter(workspaces=None, installation=True)


def workspace(slug: str) -> Workspace:
    return Workspace.objects.get_or_create(slug=slug, defaults={"name": slug})[0]


def open_stream(slug: str = "tests") -> Stream:
    return log.open_stream(f"execution:{uuid4()}", workspace(slug).pk)


def say(stream: Stream, *messages: str, type_: str = "execution.log", **known: Any) -> list[RecordedEvent]:
    def data(text: str) -> dict[str, Any]:
        return {"level": "info", "message": text} if type_ == "execution.log" else {"reason": text}

    source = known.pop("source", "tests")
    with transaction.atomic():
        return log.append([NewEvent(stream.pk, type_, data(text), source, **known) for text in messages])


class Writer:
    """A thread with a connection of its own, and a transaction that stays open until it is told to commit."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._atomic = transaction.atomic()
        self.do(self._atomic.__enter__)
        self.do(self._take_number)

    def do(self, action: Callable[..., T], *args: Any) -> T:
        return self._thread.submit(action, *args).result(60)

    def say(self, stream: Stream, *messages: str) -> list[RecordedEvent]:
        return self.do(lambda: say(stream, *messages))

    def commit(self) -> None:
        self.do(self._atomic.__exit__, None, None, None)
        self.end()

    def end(self) -> None:
        """Undo what is not committed: a test that fails leaves nothing open."""
        self.do(lambda: connection.close())  # of that thread

    def _take_number(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")


@pytest.fixture
def begin() -> Iterator[Callable[[], Writer]]:
    """Begin transactions on other connections."""
    writers: list[Writer] = []

    def begin() -> Writer:
        writers.append(Writer())
        return writers[-1]

    yield begin
    for writer in writers:
        writer.end()


def messages(events: list[RecordedEvent]) -> list[str]:
    return [event.data["message"] for event in events]


def pages(wanted: EventFilter, limit: int, newest_first: bool = False) -> list[RecordedEvent]:
    found: list[RecordedEvent] = []
    after, more = None, True
    while more:
        page = history.read(wanted, after, limit, newest_first)
        assert len(page.events) <= limit
        found += page.events
        after, more = page.cursor, page.more
    return found


@COMMITS
def test_what_an_earlier_transaction_commits_late_is_not_skipped(begin: Callable[[], Writer]) -> None:
    one, two = open_stream(), open_stream()
    say(one, "before")
    early = begin()
    early.say(one, "early")
    late = begin()
    late.say(two, "late")
    late.commit()
    page = history.read(EVERYTHING)
    assert messages(page.events) == ["before"]  # "late" waits for the transaction that began before it
    early.commit()
    rest = history.read(EVERYTHING, page.cursor)
    assert messages(rest.events) == ["early", "late"]
    assert history.read(EVERYTHING, rest.cursor).events == []
    say(one, "after")
    assert messages(history.read(EVERYTHING, rest.cursor).events) == ["after"]


@COMMITS
def test_a_stream_stays_in_sequence_where_the_later_transaction_has_the_smaller_number(
    begin: Callable[[], Writer],
) -> None:
    stream, other = open_stream(), open_stream()
    small = begin()
    great = begin()
    great.say(stream, "first")
    great.commit()
    small.say(stream, "second")  # its transaction has the smaller number, and comes after
    assert history.read(EVERYTHING).events == []
    small.say(other, "third")
    small.commit()
    found = pages(EVERYTHING, 1)
    assert messages([e for e in found if e.stream == stream.name]) == ["first", "second"]
    assert len(found) == 3
    assert [e.id for e in pages(EVERYTHING, 1, newest_first=True)] == [e.id for e in reversed(found)]


@COMMITS
def test_a_reader_among_competing_writers_gets_each_event_once_and_each_stream_in_sequence() -> None:
    streams = [open_stream(slug) for slug in ("tests", "tests", "others", "more")]
    chance = random.Random(7)

    def write(number: int) -> None:
        for turn in range(20):
            with transaction.atomic():
                # In the order of their ids, as everybody locks them.
                for stream in sorted(chance.sample(streams, 1 + turn % 3), key=lambda stream: stream.pk):
                    say(stream, f"{number}.{turn}")
        connection.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for writer in writers:
        writer.start()
    read: list[RecordedEvent] = []
    after, writing = START, True
    while writing or after != history.head(EVERYTHING):
        writing = any(writer.is_alive() for writer in writers)
        page = history.read(EVERYTHING, after, chance.choice([1, 3, 50]))
        read += page.events
        after = page.cursor
    total = sum(Stream.objects.filter(pk__in=[s.pk for s in streams]).values_list("last_sequence", flat=True))
    assert len(read) == total == len({event.id for event in read})
    for stream in streams:
        sequences = [event.sequence for event in read if event.stream == stream.name]
        assert sequences == list(range(1, len(sequences) + 1))


def some_history() -> list[RecordedEvent]:
    """Write events that differ in whatever is asked for. Returns them in order."""
    workflow = uuid4()
    now = timezone.now()
    for number, slug in enumerate(("tests", "tests", "others")):
        stream = open_stream(slug)
        say(stream, "Größe 100%", 'say "hi"', "a_b", "C:\\temp", source=f"tests.{number}", workflow_id=workflow)
        say(stream, "paused", type_="execution.paused", workflow_id=workflow, time=now - timedelta(minutes=number))
        say(stream, "axb", "100 of", time=now - timedelta(minutes=30 * number))
    call = {"component": "tests", "message": "installed", "figures": {}, "pid": 1, "host": "here"}
    with transaction.atomic():
        log.append([NewEvent(Stream.objects.get(name=SYSTEM).pk, "system.startup", call, "tests")])
    return pages(EVERYTHING, 1000)


def filters(events: list[RecordedEvent]) -> Iterator[EventFilter]:
    tests, others = workspace("tests").pk, workspace("others").pk
    first, last = events[0], events[-2]
    own = [e.stream for e in events if e.type == "execution.log"]
    then = events[0].happened_at
    for known in (
        {},
        {"types": ["execution.*"]},
        {"types": ["execution.p*", "system.startup"]},
        {"sources": ["tests.1", "*.2"]},
        {"workflow": UUID(first.workflow_id)},
        {"streams": [own[0]]},
        {"streams": [own[0]], "before": 2},
        {"texts": ["LOG", "größe"]},
        {"streams": sorted(set(own))},
        {"streams": [FEED]},
        {"streams": [SYSTEM]},
        {"streams": [FEED, own[0], f"workflow:{first.workflow_id}"]},
        {"since": then - timedelta(minutes=20)},
        {"until": then - timedelta(minutes=20)},
        {"since": then - timedelta(minutes=45), "until": then, "types": ["execution.log"]},
        *(
            {"texts": [text]}
            for text in ("größe", "100%", 'SAY "hi"', "a_b", "c:\\temp", "%", "_", "\\", '": "', "nothing")
        ),
    ):
        for seen in (
            {"workspaces": None, "installation": True},
            {"workspaces": [tests]},
            {"workspaces": [others], "installation": True},
            {"workspaces": []},
        ):
            yield EventFilter(**known, **seen)  # type: ignore[arg-type]
    for stream in (own[0], last.stream):
        for workspaces in (None, [tests], [others]):
            execution = UUID(stream.removeprefix("execution:"))
            yield EventFilter(execution=execution, workspaces=workspaces)
            yield EventFilter(execution=execution, streams=[FEED], workspaces=workspaces)


@COMMITS
def test_a_filter_finds_just_the_events_that_fit_it_in_pages_of_any_size_both_ways() -> None:
    events = some_history()
    assert len(events) == 22
    some = 0
    for wanted in filters(events):
        fitting = [event.id for event in events if wanted.fits(event)]
        some += len(fitting)
        assert [e.id for e in pages(wanted, 4)] == fitting, wanted
        assert [e.id for e in pages(wanted, 5, newest_first=True)] == fitting[::-1], wanted
    assert some > 100


@COMMITS
def test_a_search_that_takes_long_ends_its_page_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "SEARCH_SECONDS", 0)
    monkeypatch.setattr(history, "FIRST_STEP", 3)
    monkeypatch.setattr(scanning, "LEAST_OF_ROOT", 1)
    stream = open_stream()
    for number in range(12):
        say(stream, "needle" if number in (0, 11) else "hay", "hay")
    wanted = EventFilter(texts=["needle"], workspaces=None)
    found, after, kinds = [], None, []
    while not kinds or kinds[-1][0]:
        page = history.read(wanted, after, limit=1, newest_first=True)
        found += page.events
        after = page.cursor
        kinds.append((page.more, page.complete))
    assert messages(found) == ["needle", "needle"]
    assert len(kinds) > 3
    assert set(kinds[:-1]) == {(True, False)}
    assert kinds[-1] == (False, True)


@COMMITS
def test_what_retention_has_removed_is_not_read_though_its_rows_are_still_there() -> None:
    ended, going_on = open_stream(), open_stream()
    say(ended, *"abc")
    say(going_on, "d")
    say(ended, "e")
    Stream.objects.filter(pk=ended.pk).update(removed_through=3)
    for newest_first in (False, True):
        assert sorted(messages(pages(EVERYTHING, 2, newest_first))) == ["d", "e"]
        assert messages(pages(EventFilter(workspaces=None, streams=[ended.name]), 2, newest_first)) == ["e"]


@COMMITS
def test_what_makes_no_sense_is_an_error_that_names_it() -> None:
    with pytest.raises(UnknownEventType, match=r"executoin\.\*"):
        history.read(EventFilter(types=["executoin.*"], workspaces=None))
    with pytest.raises(BadPattern, match="Ex%"):
        history.read(EventFilter(sources=["Ex%"], workspaces=None))
    for text in ("", "x", "A" * 31, "/" * 32, "_" * 32, str(START) + "A"):
        with pytest.raises(BadCursor):
            Cursor.parse(text)
    assert Cursor.parse(str(Cursor(2**40, 5, 7))) == Cursor(2**40, 5, 7)
    far = [timezone.now().replace(year=year) for year in (1, 1970, 9999)]
    for moment in far:
        history.read(EventFilter(since=moment, workspaces=None))
        history.read(EventFilter(until=moment, workspaces=None))


@contextmanager
def from_another_cluster() -> Iterator[None]:
    """Have the numbers of all events be those of a cluster that has come far, as after the restore of its dump."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_event SET transaction = transaction + 1000000")
        cursor.execute("UPDATE events_stream SET last_transaction = last_transaction + 1000000")
    yield
    with connection.cursor() as cursor:
        cursor.execute(transactions.define())


def order_errors() -> list[str]:
    return [error.id or "" for error in run_checks(databases=["default"]) if error.id == "events.E001"]


@COMMITS
def test_events_of_a_restored_dump_are_found_to_be_invisible_and_repaired() -> None:
    stream = open_stream()
    say(stream, "from the dump")
    cursor = Cursor(history.head(EVERYTHING).transaction + 1000000, stream.pk, 1)
    assert order_errors() == []
    with from_another_cluster():
        assert order_errors() == ["events.E001"]
        assert history.read(EVERYTHING).events == []
        said = StringIO()
        call_command("repair_event_order", stdout=said)
        assert "numbers raised by" in said.getvalue()
        assert order_errors() == []
        call_command("repair_event_order", stdout=said)
        assert "needs no repair" in said.getvalue()
        say(open_stream(), "new")
        assert messages(history.read(EVERYTHING).events) == ["from the dump", "new"]
        assert messages(history.read(EVERYTHING, cursor).events) == ["new"]  # a cursor from before the dump
