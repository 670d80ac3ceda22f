"""Appending and reading with ten million events in the table, beside a database that is empty.

The ten million are 500,000 finished executions of 20 events, in the partitions of the last ten days, today's among
them; three events of each are shown by the feed and by the stream of one of 30 workflows. They are made in the
database. PostgreSQL does not wait for the disk here: what is compared would hide behind it. LONG_LOG_EVENTS says how
many.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.appender_shapes import BATCH, SHAPES
from tests.benchmarks.appenders import AppenderProcess, appender, own_servers
from tests.benchmarks.reporting import Report
from tests.conftest import manage

EVENTS = int(os.environ.get("LONG_LOG_EVENTS", "10000000"))
EACH, DAYS, CHUNK = 20, 10, 25_000
ROUNDS, BATCHES, PAGES = 8, 40, 25
FUNCTION = """
CREATE FUNCTION pg_temp.made_id(at float8, ordinal int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT (lpad(to_hex(floor(at * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(ordinal), 3, '0')
               || '8' || lpad(to_hex(n), 15, '0'))::uuid $$;
CREATE FUNCTION pg_temp.workflow(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT pg_temp.made_id(1700000000, 1, n % 30) $$;
"""
"""Identifiers are UUIDv7 of the time that their row tells: rows of a day go to its partition."""
STREAMS = """
INSERT INTO events_stream (id, name, workspace_id, last_sequence, removed_through, last_transaction, created_at,
                           ended_at, ended_as)
SELECT %(base)s + n, 'execution:' || pg_temp.made_id(at, 0, n), %(workspace)s, %(each)s, 0,
       events_current_transaction(), to_timestamp(at), to_timestamp(at), 'execution.completed'
FROM generate_series(%(first)s::bigint, %(last)s) n, LATERAL (SELECT %(start)s + (n - %(first)s) * %(step)s AS at) t
"""
ROWS = """
INSERT INTO events_event (id, stream_id, sequence, feed_sequence, workflow_sequence, type, source, time, execution_id,
                          workflow_id, workspace_id, transaction, data)
SELECT pg_temp.made_id(at, k, n), %(base)s + n, k, (n - 1) * 3 + shown, (n - 1) / 30 * 3 + shown,
       CASE shown WHEN 1 THEN 'execution.queued' WHEN 2 THEN 'execution.started' WHEN 3 THEN 'execution.completed'
                  ELSE 'execution.log' END,
       'bench', to_timestamp(at), pg_temp.made_id(at, 0, n), pg_temp.workflow(n), %(workspace)s,
       events_current_transaction(),
       jsonb_build_object('level', 'info', 'message', repeat('x', 200), 'node', 'node', 'run_index', n)
FROM generate_series(%(first)s::bigint, %(last)s) n, generate_series(1, %(each)s) k,
     LATERAL (SELECT %(start)s + (n - %(first)s) * %(step)s AS at,
                     CASE WHEN k < 3 THEN k WHEN k = %(each)s THEN 3 END AS shown) t
"""
WORKFLOWS = """
INSERT INTO events_stream (name, workspace_id, last_sequence, removed_through, last_transaction, created_at, ended_as)
SELECT 'workflow:' || pg_temp.workflow(n), %(workspace)s, %(count)s / 30 * 3 + 3, 0, events_current_transaction(),
       now(), '' FROM generate_series(0, 29) n
"""


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    with own_servers(folder) as servers:
        servers.wait_for_disk(False)
        empty, full = servers.database("log_empty"), servers.database("log_full")
        began = time.monotonic()
        size = fill(full)
        told = {"events": EVENTS, "bytes": size, "filled_in_seconds": round(time.monotonic() - began)}
        with appender(empty) as one, appender(full) as other:
            measure({"empty": one, "full": other}, report, told)


def measure(processes: dict[str, AppenderProcess], report: Report, told: dict[str, Any]) -> None:
    """Let the two take turns, and report."""
    appends: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in processes}
    pages: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in processes}
    for number in range(ROUNDS + 1):
        for name, process in processes.items():
            for shape in SHAPES:
                times = process.append(shape, BATCHES)["ours"]
                appends[name][shape] += times if number else []
            for kind, took in process.read(PAGES).items():
                pages[name][kind] += took if number else []
    for shape in SHAPES:
        full, empty = (BATCH / statistics.median(appends[name][shape]) for name in ("full", "empty"))
        report(f"long_log.append.{shape}", "events/s", full, empty, **told)
    for kind in pages["full"]:
        full, empty = (1 / statistics.median(pages[name][kind]) for name in ("full", "empty"))
        report(f"long_log.read.{kind}", "pages/s", full, empty, **told)


def fill(environment: dict[str, str]) -> int:
    """Make the events. Returns the bytes of the database."""
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=n) for n in range(DAYS - 1, -1, -1)]
    dates = ", ".join(f"date({day.year}, {day.month}, {day.day})" for day in days)
    manage(
        environment,
        "shell",
        "-c",
        f"from datetime import date; from events.log.partitions import make; make([{dates}])",
    )
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(FUNCTION)
        count = EVENTS // EACH
        workspace = connection.execute("SELECT id FROM accounts_workspace ORDER BY created_at LIMIT 1").fetchone()
        highest = connection.execute("SELECT max(id) FROM events_stream").fetchone()
        assert workspace is not None
        assert highest is not None
        known = {"workspace": workspace[0], "base": highest[0], "each": EACH, "count": count}
        for number, day in enumerate(days):
            _fill_day(connection, datetime.combine(day, clock(), UTC), number, count // DAYS, known)
        connection.execute("SELECT setval(pg_get_serial_sequence('events_stream', 'id'), max(id)) FROM events_stream")
        connection.execute(WORKFLOWS, known)
        connection.execute("UPDATE events_stream SET last_sequence = %s WHERE name = 'executions'", [count * 3])
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert size is not None
        return int(size[0])


def _fill_day(
    connection: psycopg.Connection[Any], start: datetime, number: int, count: int, known: dict[str, Any]
) -> None:
    """Make the executions of a day, from its begin to its end or to now."""
    seconds = min(86_400.0, time.time() - start.timestamp())
    for first in range(1, count + 1, CHUNK):
        began, last = time.monotonic(), min(first + CHUNK - 1, count)
        begin = start.timestamp() + seconds * (first - 1) / count
        values = known | {
            "first": number * count + first, "last": number * count + last, "start": begin, "step": seconds / count
        }  # fmt: skip
        with connection.transaction():
            connection.execute(STREAMS, values)
            connection.execute(ROWS, values)
        print(f"{start:%Y-%m-%d}: {last} executions in {time.monotonic() - began:.1f} s", file=sys.stderr)
