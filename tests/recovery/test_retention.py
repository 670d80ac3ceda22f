"""Cleanups beside readers and writers, and cleanups that are killed at any instant."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import HttpRequest

from events import log
from events.catalogue.stream_names import EXECUTION
from events.checks import check_partitions
from events.log import NewEvent, partitions
from events.log.models import Stream
from events.retention import cleanup
from events.retention.housekeeping import Housekeeping
from events.retention.retention import RetentionTerms
from tests.aging import day, histories, history, old_partitions, read, stored
from tests.conftest import ROOT
from tests.engine import COMMITS
from workflow_platform.core.leases import AlreadyRunning
from workflow_platform.health import readyz
from workflow_platform.installation.embedded import wait_until

pytestmark = [COMMITS, pytest.mark.usefixtures("old_partitions")]
__all__ = ["old_partitions"]

MONTH = RetentionTerms(timedelta(days=30))
HARDLY = "5s"
"""How long writers may wait for a lock: a hundred times as long as a cleanup does. `make bench` measures it."""


def append_to(writer: Stream, count: int) -> None:
    """Append events to a stream; fails if that waits for a lock for longer than hardly."""
    news = [NewEvent(writer.pk, "execution.log", {"level": "info", "message": "go on"}, "tests")] * count
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{HARDLY}'")
        log.append(news)


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Do the work over and over in another thread while the block runs, at least once; fail if it does."""
    over, errors = threading.Event(), []

    def run() -> None:
        try:
            while True:
                work()
                if over.is_set():
                    return
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)
    assert not errors, errors


def prepare() -> tuple[list[Stream], list[Stream]]:
    """Make histories of four old days: one to be dropped, two to be made thin, one to be deleted from. Returns those
    that are to be kept, and those that are to go."""
    gone = [stream for days in (40, 41, 42, 43) for stream in histories(30, days_ago=days, events=20)]
    kept = [history(days_ago=days, end=None, events=100) for days in (41, 42)]
    kept += histories(9, days_ago=43, end=None, events=100)
    return kept, gone


def url() -> str:
    """Return the address of the test database, for what connects to it by itself."""
    return os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{connection.settings_dict['NAME']}"


def whole(streams: list[Stream]) -> list[bool]:
    return [read(stream) == list(range(1, stream.last_sequence + 1)) for stream in streams]


def found(streams: list[Stream]) -> list[list[int]]:
    """Return the sequences that readers of the streams would find, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE("
            "  array_agg(e.sequence ORDER BY e.sequence) FILTER (WHERE e.sequence > s.removed_through), '{}'"
            ") FROM events_stream s LEFT JOIN events_event e ON e.stream_id = s.id WHERE s.id = ANY(%s)"
            " GROUP BY s.id ORDER BY array_position(%s, s.id)",
            [[stream.pk for stream in streams]] * 2,
        )
        return [sequences for (sequences,) in cursor.fetchall()]


def test_readers_see_each_event_once_at_every_instant_and_writers_hardly_wait() -> None:
    kept, gone = prepare()
    writer = log.open_stream(f"{EXECUTION}{uuid4()}", kept[0].workspace_id)
    appended: list[int] = []
    counted: list[int] = []

    def append() -> None:
        append_to(writer, 20)
        appended.append(20)

    def look() -> None:
        assert all(whole(kept))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), count(DISTINCT id) FROM events_event WHERE stream_id = ANY(%s)",
                [[s.pk for s in kept]],
            )
            found = cursor.fetchone()
        assert found[0] == found[1]
        counted.append(found[0])

    with beside(append), beside(look):
        wait_until(lambda: bool(appended and counted), "The first append and look")
        before = len(appended)
        report = cleanup.clean_up(MONTH, chunk=50)
        made = partitions.make([day(-n) for n in range(30, 40)])
        during = len(appended) - before
    for partition in made:
        partitions.replace(partition, None)
    assert (len(report.collected.dropped), len(report.collected.thinned), len(report.collected.rows)) == (1, 2, 1)
    assert report.collected.busy == []
    assert set(counted) == {1_100}
    assert not any(read(stream) for stream in gone)
    assert during > 1  # one may have been under way


def test_while_somebody_holds_the_table_writers_wait_for_nobody_and_the_next_cleanup_does_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitions, "LOCK_ATTEMPTS", 3)
    gone = histories(3, days_ago=40)
    writer = log.open_stream(f"{EXECUTION}{uuid4()}", gone[0].workspace_id)
    with psycopg.connect(**connection.get_connection_params()) as reader:
        reader.execute("SELECT count(*) FROM events_event")  # and its transaction goes on
        with beside(lambda: append_to(writer, 1)):
            report = cleanup.clean_up(MONTH)
    assert (report.collected.dropped, report.collected.busy) == ([], [f"events_event_{day(40):%Y%m%d}"])
    assert (read(gone[0]), stored(gone[0])) == ([], {f"events_event_{day(40):%Y%m%d}": 3})
    assert cleanup.clean_up(MONTH).collected.dropped == report.collected.busy


def test_the_scheduler_makes_partitions_cleans_up_and_closes_streams(settings: Any) -> None:
    settings.EVENT_HISTORY_ENABLED, settings.STREAM_CLOSE_SECONDS = False, 0.0
    partitions.replace(next(p for p in partitions.partitions() if p.day == day(-1)), None)
    settings.DATABASE_URL = url()
    warning = (
        f"There is no partition for events of {day(-1):%Y-%m-%d}; they go to events_event_kept."
        " Check that the scheduler runs."
    )
    assert json.loads(readyz(HttpRequest()).content)["warnings"] == [warning]
    assert [found.msg for found in check_partitions(None, databases=["default"])] == [warning]
    ended, running = history(), history(end=None)
    keeper = Housekeeping()
    keeper.start()
    wait_until(lambda: not stored(ended), "The end of its events")
    keeper.stop()
    assert "warnings" not in json.loads(readyz(HttpRequest()).content)
    assert check_partitions(None, databases=["default"]) == []
    assert read(running) == [1, 2, 3]


def kill_backend(application: str) -> None:
    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [application]
        )


def test_a_cleanup_that_is_cut_off_at_any_instant_is_completed_by_the_next() -> None:
    kept, gone = prepare()
    chance = random.Random(11)
    killed = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SET application_name = 'cleanup'")
        timer = threading.Timer(chance.uniform(0.001, 0.01 * (1 + killed / 5)), kill_backend, ["cleanup"])
        timer.start()
        try:
            cleanup.clean_up(MONTH, chunk=50)
            break
        except (DatabaseError, InterfaceError):
            killed += 1
        finally:
            timer.join()
            connection.close()
        assert found(kept) == [list(range(1, stream.last_sequence + 1)) for stream in kept]
        assert {len(sequences) for sequences in found(gone)} <= {0, 20}  # all of it or nothing
        for stream in (*chance.sample(kept, 2), *chance.sample(gone, 3)):  # a query each; all of them at the end
            assert read(stream) in ([], list(range(1, stream.last_sequence + 1)))
            assert stream in gone or read(stream)
    assert killed > 3
    check_complete(kept, gone)


def check_complete(kept: list[Stream], gone: list[Stream]) -> None:
    assert all(whole(kept))
    assert not any(stored(stream) for stream in gone)
    assert partitions.drop_leftovers() == []
    with suppress(AlreadyRunning):
        assert cleanup.clean_up(MONTH).is_empty


def test_a_command_that_is_killed_leaves_the_next_one_its_work() -> None:
    kept, gone = prepare()
    command = [sys.executable, "manage.py", "cleanup_history", "--older-than", "30d", "--chunk", "1"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"DATABASE_URL": url()}, stdout=subprocess.DEVNULL)
    begun = Stream.objects.filter(removed_at__isnull=False)
    wait_until(lambda: process.poll() is not None or begun.exists(), "The first removal")
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    def completed() -> bool:
        with suppress(AlreadyRunning):  # until the server has noticed
            cleanup.clean_up(MONTH)
            return True
        return False

    wait_until(completed, "The end of the killed one's session")
    check_complete(kept, gone)
