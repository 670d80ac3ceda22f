"""What is removed and what is kept: by age, by count, by policy, and never of what has not ended."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from events import log
from events.bus import system_events
from events.catalogue.stream_names import FEED, SYSTEM
from events.log import NewEvent, StreamClosed, partitions
from events.log.models import Stream
from events.log.partitions import Partition
from events.retention import cleanup, retention
from events.retention.cleanup import CleanupReport
from events.retention.models import CleanupState, RetentionPolicy
from events.retention.retention import RetentionTerms
from tests.aging import ENDS, age, day, histories, history, read, stored, workspace
from tests.recording import read_stream

pytestmark = pytest.mark.django_db

MONTH = RetentionTerms(timedelta(days=30))
AT_ONCE = RetentionTerms(timedelta(microseconds=1))


def partition_of(days_ago: int) -> str:
    return f"events_event_{day(days_ago):%Y%m%d}"


def today() -> str:
    return partition_of(0)


def say(stream: Stream, type_: str, **data: Any) -> None:
    with transaction.atomic():
        log.append([NewEvent(stream.pk, type_, data or ENDS[type_], "tests")])


def counts(report: CleanupReport) -> tuple[int, int]:
    return report.removed.streams.total(), report.removed.events.total()


def test_a_day_of_which_nothing_is_kept_is_dropped() -> None:
    old, young = histories(3, days_ago=40), history(days_ago=20)
    report = cleanup.clean_up(MONTH)
    assert (report.collected.dropped, report.collected.thinned, report.collected.rows) == ([partition_of(40)], [], {})
    assert partition_of(40) not in {partition.name for partition in partitions.partitions()}
    assert [read(stream) for stream in [*old, young]] == [[], [], [], [1, 2, 3]]
    old[0].refresh_from_db()
    assert (old[0].removed_through, old[0].removed_at is not None) == (3, True)
    assert CleanupState.objects.get().report["dropped"] == [partition_of(40)]
    assert cleanup.clean_up(MONTH).is_empty


def test_what_has_not_ended_is_kept_whole_and_its_day_made_thin_around_it() -> None:
    histories(3, days_ago=40)
    running = history(days_ago=40, end=None)
    report = cleanup.clean_up(AT_ONCE)
    assert (report.collected.dropped, report.collected.thinned) == ([], [partition_of(40)])
    assert (read(running), stored(running)) == ([1, 2, 3], {partition_of(40): 3})
    say(running, "execution.completed")
    assert (cleanup.clean_up(MONTH).is_empty, read(running)) == (True, [1, 2, 3, 4])
    report = cleanup.clean_up(AT_ONCE)
    assert (report.collected.dropped, report.collected.rows) == ([partition_of(40)], {today(): 1})
    assert (counts(report), read(running), stored(running)) == ((1, 4), [], {})


def test_where_most_is_kept_rows_are_deleted_chunk_by_chunk() -> None:
    histories(2, days_ago=40, events=5)
    kept = histories(5, days_ago=40, end=None)
    report = cleanup.clean_up(MONTH, chunk=3)
    assert report.collected.rows == {partition_of(40): 10}
    assert [read(stream) for stream in kept] == [[1, 2, 3]] * 5


def test_what_failed_or_timed_out_is_kept_for_longer() -> None:
    ends = {end: history(days_ago=40, end=end) for end in ("completed", "failed", "timed_out", "cancelled")}
    cleanup.clean_up(RetentionTerms(timedelta(days=30), keep_failed=timedelta(days=90)))
    assert [end for end, stream in ends.items() if read(stream)] == ["failed", "timed_out"]
    cleanup.clean_up(RetentionTerms(timedelta(days=30), keep_failed=timedelta(days=7)))
    assert not any(read(stream) for stream in ends.values())


def test_above_the_greatest_number_of_events_the_oldest_ended_go_first() -> None:
    streams = [history(days_ago=days, slug=slug) for days, slug in ((5, "b"), (4, "a"), (3, "b"), (2, "a"))]
    running = history(days_ago=6, end=None)
    cleanup.clean_up(RetentionTerms(timedelta(days=30), max_events=8))
    assert [bool(read(stream)) for stream in [*streams, running]] == [False, False, True, True, True]
    cleanup.clean_up(RetentionTerms(timedelta(days=30), max_events=3), workspace("b"))
    assert [bool(read(stream)) for stream in streams] == [False, False, True, True]


def test_a_workspace_has_a_policy_of_its_own() -> None:
    RetentionPolicy.objects.create(workspace=workspace("long"), days=365, keep_failed_days=730)
    RetentionPolicy.objects.create(workspace=workspace("few"), max_events=3)
    long = {days: history(days_ago=days, slug="long") for days in (40, 400)}
    failed = history(days_ago=400, slug="long", end="failed")
    few = [history(days_ago=days, slug="few") for days in (3, 2)]
    plain = history(days_ago=40)
    cleanup.clean_up(MONTH)
    assert [bool(read(stream)) for stream in (long[40], long[400], failed)] == [True, False, True]
    assert [bool(read(stream)) for stream in (*few, plain)] == [False, True, False]
    cleanup.clean_up(MONTH, workspace("long"))  # named: as the caller says, not as the policy says
    assert [bool(read(stream)) for stream in (long[40], failed)] == [False, False]


def test_events_of_workflows_and_of_the_system_go_by_their_own_age() -> None:
    workflow_id = uuid4()
    workflow = log.open_stream(f"workflow:{workflow_id}", workspace().pk)
    for days in (40, 0):
        with transaction.atomic():
            log.append([NewEvent(workflow.pk, "workflow.updated", {"name": "W"}, "tests", workflow_id=workflow_id)])
        system_events.emit("error", source="tests", component="tests", message="It failed.")
        if days:
            partitions.make([day(days)])
            age([workflow.pk, Stream.objects.get(name=SYSTEM).pk], days)
    cleanup.clean_up(MONTH)
    assert read(workflow) == read(Stream.objects.get(name=SYSTEM)) == [2]
    workflow.refresh_from_db()
    assert (workflow.removed_through, workflow.ended_at) == (1, None)


def test_feed_and_workflow_streams_skip_what_went_with_its_execution() -> None:
    id_ = UUID(int=7)
    shown = log.open_stream(f"workflow:{id_}", workspace().pk)
    age([shown.pk, Stream.objects.get(name=FEED).pk], 50)
    before = log.head(FEED)
    for days in (2, 40, 1):
        history(days_ago=days, workflow=id_)
    cleanup.clean_up(MONTH)
    feed = read_stream(FEED, before, workspace_ids=[workspace().pk])
    assert [event["sequence"] - before for event in feed] == [1, 3]
    assert [event["sequence"] for event in read_stream(f"workflow:{id_}")] == [1, 3]
    assert [event["sequence"] for event in read_stream(f"workflow:{id_}", 1)] == [3]


def test_a_forecast_says_exactly_what_the_cleanup_then_does() -> None:
    histories(2, days_ago=40)
    histories(2, days_ago=41, slug="other")
    history(days_ago=41, end=None)
    histories(1, days_ago=42)
    histories(2, days_ago=42, end=None)
    foretold = cleanup.forecast(MONTH)
    assert [len(read(stream)) for stream in Stream.objects.filter(ended_at__isnull=False)] == [3] * 5
    done = cleanup.clean_up(MONTH)
    assert foretold.removed == done.removed
    assert foretold.removed.events == {workspace().pk: 9, workspace("other").pk: 6}
    assert foretold.bytes[workspace("other").pk] > 6 * 200
    for name, found in (("dropped", 40), ("thinned", 41)):
        assert getattr(foretold.collected, name) == getattr(done.collected, name) == [partition_of(found)]
    assert foretold.collected.rows == done.collected.rows == {partition_of(42): 3}


def test_what_a_killed_cleanup_left_is_in_nobodys_sight_and_in_the_next_forecast() -> None:
    stream = history(days_ago=40)
    retention.remove(MONTH)
    assert (read(stream), stored(stream)) == ([], {partition_of(40): 3})
    assert cleanup.forecast(MONTH).collected.dropped == [partition_of(40)]
    assert cleanup.clean_up(MONTH).collected.dropped == [partition_of(40)]


def test_nothing_follows_an_end() -> None:
    stream = history()
    log_line = NewEvent(stream.pk, "execution.log", {"level": "info", "message": "late"}, "tests")
    for late in ([log_line], [NewEvent(2**40, "execution.log", log_line.data, "tests")]):
        with transaction.atomic(), pytest.raises(StreamClosed):
            log.append(late)
    running = history(end=None)
    end = NewEvent(running.pk, "execution.failed", ENDS["execution.failed"], "tests")
    with transaction.atomic(), pytest.raises(StreamClosed):
        log.append([end, NewEvent(running.pk, "execution.log", log_line.data, "tests")])
    say(running, "execution.failed")
    running.refresh_from_db()
    assert (running.ended_as, read(stream), read(running)) == ("execution.failed", [1, 2, 3], [1, 2, 3, 4])


def test_without_history_events_are_deleted_when_their_stream_closes(settings: Any) -> None:
    settings.EVENT_HISTORY_ENABLED = False
    ended, failed, running = history(), history(end="failed"), history(end=None)
    assert cleanup.clean_up().is_empty
    settings.STREAM_CLOSE_SECONDS = 0.0
    assert cleanup.clean_up().collected.rows == {today(): 6}
    assert [stored(stream) for stream in (ended, failed, running)] == [{}, {}, {today(): 3}]


def test_an_old_partition_that_has_become_empty_is_dropped() -> None:
    stream = history(days_ago=1)
    assert cleanup.clean_up(AT_ONCE).collected.rows == {partition_of(1): 3}
    partitions.make([day(2)])
    assert cleanup.clean_up(MONTH).collected.dropped == [partition_of(2)]
    assert (read(stream), partition_of(1) in {p.name for p in partitions.partitions()}) == ([], True)


def test_without_a_partition_events_go_to_kept_until_there_is_one() -> None:
    partitions.ensure()  # the other days: midnight may have passed since the tables were made
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {today()}")
    assert f"{day(0):%Y-%m-%d}" in partitions.warning_about(partitions.partitions())
    stream, old = history(), history(days_ago=0)
    age([old.pk], 70)
    assert (read(stream), stored(stream)) == ([1, 2, 3], {"events_event_kept": 3})
    assert partitions.ensure() == [Partition(today(), day(0))]
    assert (read(stream), stored(stream)) == ([1, 2, 3], {today(): 3})
    assert partitions.warning_about(partitions.partitions()) == ""
    assert cleanup.clean_up(MONTH).collected.rows == {"events_event_kept": 3}
    assert stored(old) == {}


def test_a_day_with_too_many_strays_stays_in_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "MOST_MOVED", 2)
    stream = history()
    age([stream.pk], 70)
    assert partitions.make([day(70)]) == []
    assert (read(stream), stored(stream)) == ([1, 2, 3], {"events_event_kept": 3})


def test_the_command_says_what_went_and_names_what_it_does_not_understand() -> None:
    histories(2, days_ago=40)
    said = StringIO()
    call_command("cleanup_history", "--older-than", "30d", "--keep-failed", "--dry-run", stdout=said)
    assert "tests: 2 streams, 6 events, " in said.getvalue()
    assert f"{partition_of(40)}: would be dropped" in said.getvalue()
    call_command("cleanup_history", "--older-than", "30d", "--workspace", "tests", stdout=said)
    assert f"{partition_of(40)}: dropped" in said.getvalue()
    call_command("cleanup_history", "--max-events", "1000", stdout=said)
    assert said.getvalue().endswith("Nothing to remove.\n")
    for words in (["--older-than", "soon"], ["--keep-failed", "999999d"], ["--max-events", "0"], ["--workspace", "no"]):
        with pytest.raises(CommandError, match=words[0]):
            call_command("cleanup_history", *words)
