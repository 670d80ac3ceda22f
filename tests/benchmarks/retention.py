"""Old history: how long it takes to drop, to thin and to delete, and what appends meanwhile feel of it.

RETENTION_EVENTS (10,000,000) are dropped, as many are deleted, and of a fifth of them all but 5 % go (thin); 100 in a
stream, with messages of 200 bytes. A thread appends 20 events at a time all along: its longest append is what a worker
feels.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.benchmarks.reporting import Report
from workflow_platform.core.leases import only_one

DAYS = {"drop": 40, "thin": 41, "delete": 42}
PART = {"drop": 1.0, "thin": 0.2, "delete": 1.0}
KEPT_SHARE = {"drop": 0.0, "thin": 0.05, "delete": 0.0}
PER_STREAM = 100
STRAYS = 1_000_000

STREAMS = """
INSERT INTO events_stream (name, workspace_id, last_sequence, removed_through, last_transaction, ended_at, ended_as,
  created_at)
SELECT 'execution:' || gen_random_uuid(), %(workspace)s, %(each)s, 0, 0,
  CASE WHEN n > %(kept)s THEN at + interval '1 s' END, CASE WHEN n > %(kept)s THEN 'execution.completed' ELSE '' END, at
FROM (
  SELECT n, %(day)s::timestamptz + n * (interval '23 h' / %(streams)s) AS at FROM generate_series(1, %(streams)s) n
) s
RETURNING id
"""
EVENTS = """
INSERT INTO {table} (id, type, source, time, execution_id, workflow_id, stream_id, workspace_id, sequence, transaction,
  data)
SELECT (lpad(to_hex((extract(epoch FROM s.created_at) * 1000)::bigint + n), 12, '0') || '7' || substr(h, 1, 3) || '8'
  || substr(h, 4, 15))::uuid, 'execution.log', 'benchmark', s.created_at, NULL, NULL, s.id, s.workspace_id, n, 0,
  jsonb_build_object('level', 'info', 'message', repeat('x', 200), 'node', 'node', 'run_index', 0)
FROM events_stream s, generate_series(1, %(each)s) n, LATERAL (SELECT md5(s.id || ':' || n) AS h) hash
WHERE s.id >= %(first)s AND s.id < %(last)s
"""


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], check=True)
    import django

    django.setup()
    from django.db import connection

    from events.log import partitions
    from events.retention import cleanup, purge, retention
    from events.retention.retention import RetentionTerms

    today = datetime.now(UTC).date()  # once: it may take us past midnight
    wanted = int(os.environ.get("RETENTION_EVENTS", "10000000"))
    for name, ago in DAYS.items():
        _fill(today - timedelta(days=ago), int(wanted * PART[name]) // PER_STREAM, KEPT_SHARE[name])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    with _appending() as idle:
        time.sleep(10)
    with _appending() as waited, only_one(retention.LOCK):
        marking = _timed(lambda: retention.remove(RetentionTerms(timedelta(days=30))))
        since = purge.REMOVED.format(since=retention.collected_at().isoformat())
    context = {"longest_append_ms_alone": round(max(idle) * 1000, 1)}
    report(
        "retention.remove",
        "s",
        marking,
        streams=int(wanted * sum(PART.values())) // PER_STREAM,
        **context,
        **_felt(waited),
    )
    found = {p.day: p for p in partitions.partitions()}
    taken: dict[str, float] = {}
    ways: dict[str, Callable[[Any], object]] = {
        "delete": lambda p: purge._delete(p.name, since, purge.CHUNK, p),
        "thin": lambda p: (list(_fates(p, since)), purge._thin(p, purge.CHUNK)),
        "drop": lambda p: (list(_fates(p, since)), partitions.replace(p, None)),
    }
    for name, way in ways.items():
        partition = found[today - timedelta(days=DAYS[name])]
        with _appending() as waited:
            taken[name] = _timed(lambda way=way, partition=partition: way(partition))  # type: ignore[misc]
        baseline = taken["delete"] if name == "drop" else None
        report(
            f"retention.{name}", "s", taken[name], baseline, events=int(wanted * PART[name]), **context, **_felt(waited)
        )
    _strays(today, report)
    assert cleanup.clean_up().collected.busy == []


def _fates(partition: Any, gone: str) -> Iterator[int]:
    """Count, as a survey does before it decides."""
    from events.retention import purge

    yield purge.count(partition.name, gone, partition)
    yield purge.rows(partition.name)


def _strays(today: date, report: Report) -> None:
    """Make a partition while `kept` holds a million rows of other days."""
    from events.log import partitions

    _fill(today - timedelta(days=60), STRAYS // PER_STREAM, 1.0, table=partitions.KEPT)
    days = [today + timedelta(days=n) for n in (30, 31, 32)]
    with _appending() as waited:
        seconds = _timed(lambda: partitions.make(days)) / len(days)
    report("retention.make_beside_strays", "s", seconds, kept_rows=STRAYS, **_felt(waited))


def _fill(day: date, streams: int, kept: float, table: str = "") -> None:
    from django.db import connection

    from events.log import partitions
    from workflow_platform.core.accounts.models import Workspace

    if not table:
        partitions.make([day])
        table = f"events_event_{day:%Y%m%d}"
    workspace, _ = Workspace.objects.get_or_create(slug="bench", defaults={"name": "Bench"})
    with connection.cursor() as cursor:
        cursor.execute(
            STREAMS,
            {"workspace": workspace.pk, "each": PER_STREAM, "day": f"{day} 00:10+00", "streams": streams}
            | {"kept": int(streams * kept)},
        )
        ids = [id_ for (id_,) in cursor.fetchall()]
        for first in range(min(ids), max(ids) + 1, 5_000):
            last = min(first + 5_000, max(ids) + 1)
            cursor.execute(EVENTS.format(table=table), {"each": PER_STREAM, "first": first, "last": last})


@contextmanager
def _appending() -> Iterator[list[float]]:
    """Append all along; yields how long each took, in seconds."""
    from django.db import connection, transaction

    from events import log
    from events.log import NewEvent
    from workflow_platform.core.accounts.models import Workspace

    stream = log.open_stream(f"execution:{uuid4()}", Workspace.objects.get(slug="bench").pk)
    news = [NewEvent(stream.pk, "execution.log", {"level": "info", "message": "x" * 200}, "benchmark")] * 20
    over, waited = threading.Event(), [0.0]

    def write() -> None:
        while not over.wait(0.005):
            began = time.monotonic()
            with transaction.atomic():
                log.append(news)
            waited.append(time.monotonic() - began)
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield waited
    finally:
        over.set()
        thread.join()


def _felt(waited: list[float]) -> dict[str, float]:
    longest = sorted(waited)
    return {
        "appends": len(waited),
        "append_p99_ms": round(longest[int(len(longest) * 0.99)] * 1000, 1),
        "longest_append_ms": round(longest[-1] * 1000, 1),
    }


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
