"""Many copies of one finished execution, made in the database: what years of use leave behind, in minutes."""

from __future__ import annotations

import sys
import time
from typing import Any

import psycopg

from tests.installation import Installation
from workflow_platform.installation.embedded import wait_until

CHUNK = 50_000
DAYS = 30
NEWEST = "SELECT id FROM executions_execution WHERE status = 'completed' ORDER BY id DESC LIMIT 1"
FAST = (
    "ALTER SYSTEM SET max_wal_size = '8GB'",
    "SELECT pg_reload_conf()",
    "SET synchronous_commit = off",
    "SET session_replication_role = replica",  # what the copies refer to is copied with them
)
FUNCTIONS = """
CREATE FUNCTION pg_temp.copied_at(n bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
    $$ SELECT to_timestamp({start} + n * {step}) $$;
CREATE FUNCTION pg_temp.copied_id(n bigint, ordinal bigint, kind int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT (lpad(to_hex(floor(({start} + n * {step}) * 1000)::bigint), 12, '0')
               || '7' || lpad(to_hex(ordinal), 3, '0')
               || '8' || lpad(to_hex(kind), 3, '0') || lpad(to_hex(n), 12, '0'))::uuid $$;
"""
"""Identifiers are UUIDv7 of the time that their row tells: new rows go to the same end of each index as in real use."""
ORIGINALS = {
    "events_stream": "SELECT *, 0 AS ordinal FROM events_stream WHERE id = {stream}",
    "executions_execution": "SELECT *, 0 AS ordinal FROM executions_execution WHERE stream_id = {stream}",
    "executions_noderun": "SELECT r.*, row_number() OVER (ORDER BY r.id) AS ordinal FROM executions_noderun r"
    " JOIN executions_execution e ON e.id = r.execution_id WHERE e.stream_id = {stream}",
    "events_event": "SELECT *, row_number() OVER way AS ordinal, count(feed_sequence) OVER way AS feed_ordinal,"
    " count(workflow_sequence) OVER way AS workflow_ordinal FROM events_event WHERE stream_id = {stream}"
    " WINDOW way AS (ORDER BY sequence)",
}
OWN = {
    "events_stream": {"id": "{highest} + n", "name": "'execution:' || pg_temp.copied_id(n, 0, 0)"},
    "executions_execution": {"id": "pg_temp.copied_id(n, 0, 0)", "stream_id": "{highest} + n"},
    "executions_noderun": {
        "id": "pg_temp.copied_id(n, x.ordinal, 1)",
        "execution_id": "pg_temp.copied_id(n, 0, 0)",
    },
    "events_event": {
        "id": "pg_temp.copied_id(n, x.ordinal, 2)",
        "stream_id": "{highest} + n",
        "execution_id": "pg_temp.copied_id(n, 0, 0)",
        "feed_sequence": "CASE WHEN x.feed_sequence IS NOT NULL THEN {feed} + (n - 1) * {shown} + feed_ordinal END",
        "workflow_sequence": "CASE WHEN x.workflow_sequence IS NOT NULL"
        " THEN {workflow} + (n - 1) * {shown} + workflow_ordinal END",
    },
}
"""What a copy does not take from the original."""
TIMES = ("queued_at", "started_at", "ended_at", "created_at", "time")


def fill(platform: Installation, path: str, count: int) -> dict[str, Any]:
    """Start one execution by its webhook and copy it so often, when it has ended. Returns what there is of each."""
    assert platform.request("POST", path, json={"n": 7}).status_code == 200
    wait_until(lambda: bool(platform.query(NEWEST)), "The execution that is copied")
    with psycopg.connect(platform.database_url, autocommit=True) as connection:
        for statement in FAST:
            connection.execute(statement)  # type: ignore[arg-type]
        _copy(connection, count)
        for statement in ("ALTER SYSTEM RESET max_wal_size", "SELECT pg_reload_conf()"):
            connection.execute(statement)  # type: ignore[arg-type]
    settle(platform)
    with psycopg.connect(platform.database_url) as connection:
        return {
            "events": _number(connection, "SELECT count(*) FROM events_event"),
            "database_bytes": _number(connection, "SELECT pg_database_size(current_database())"),
        }


def settle(platform: Installation) -> None:
    """Do what PostgreSQL does by and by: statistics, clean pages, everything on the disk."""
    with psycopg.connect(platform.database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _copy(connection: psycopg.Connection[Any], count: int) -> None:
    stream = _number(connection, f"SELECT stream_id FROM executions_execution WHERE id = ({NEWEST})")
    workflow = f"'workflow:' || (SELECT workflow_id FROM executions_execution WHERE stream_id = {stream})"
    known = {
        "stream": stream,
        "step": f"{DAYS * 86_400 / count:.9f}::float8",
        "start": f"{time.time() - DAYS * 86_400:.3f}::float8",
        "highest": _number(connection, "SELECT max(id) FROM events_stream"),
        "feed": _number(connection, "SELECT last_sequence FROM events_stream WHERE name = 'executions'"),
        "workflow": _number(connection, f"SELECT last_sequence FROM events_stream WHERE name = {workflow}"),
        "shown": _number(connection, f"SELECT count(feed_sequence) FROM events_event WHERE stream_id = {stream}"),
    }
    connection.execute(FUNCTIONS.format(**known))
    for table, original in ORIGINALS.items():
        connection.execute(f"CREATE TEMP TABLE original_{table} AS {original.format(**known)}")
    for first in range(1, count + 1, CHUNK):
        began, last = time.monotonic(), min(first + CHUNK - 1, count)
        for table in ORIGINALS:
            connection.execute(_insert(connection, table, known) + f" generate_series({first}::bigint, {last}) AS n")
        print(f"{last} copies, the last {CHUNK} in {time.monotonic() - began:.1f} s", file=sys.stderr)
    connection.execute(
        f"UPDATE events_stream SET last_sequence = last_sequence + {count * known['shown']}"
        f" WHERE name IN ('executions', {workflow})"
    )
    connection.execute("SELECT setval(pg_get_serial_sequence('events_stream', 'id'), max(id)) FROM events_stream")


def _insert(connection: psycopg.Connection[Any], table: str, known: dict[str, Any]) -> str:
    """Return the statement that copies; columns that this state of the platform lacks are left out."""
    rows = connection.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
    columns = [row[0] for row in rows]
    own = {name: value.format(**known) for name, value in OWN[table].items()}
    times = {name: f"CASE WHEN x.{name} IS NOT NULL THEN pg_temp.copied_at(n) END" for name in TIMES}
    values = [own.get(name) or times.get(name) or f"x.{name}" for name in columns]
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM original_{table} x,"


def _number(connection: psycopg.Connection[Any], statement: str) -> int:
    row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])
