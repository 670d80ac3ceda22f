"""The event table is partitioned by UTC day, so that retention drops a table instead of deleting rows.

The partition key is the event's id: a UUIDv7 begins with its creation time, so an id determines its partition. The
partition `kept` holds events of days without a partition; it is almost empty. Events that are kept longer than the rest
of their day stay in the partition of that day, from which `replace` has removed the rest (decision 14).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import LiteralString
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg import errors, sql

logger = logging.getLogger(__name__)

TABLE = "events_event"
KEPT = "events_event_kept"
DAYS_AHEAD = 14
"""Partitions are created this many days ahead; writers do not notice a scheduler that is down for less."""
MOST_MOVED = 20_000
"""Rows that `make` moves out of `kept` while its writers wait, a fraction of a second; a day with more stays there."""
LOCK_WAIT = "50ms"
"""How long writers may queue behind a change of the table before the change gives up its lock."""
LOCK_ATTEMPTS = 200
LOCK_PAUSE_SECONDS = 0.2

_NAME = re.compile(rf"^{TABLE}_(\d{{4}})(\d{{2}})(\d{{2}})$")
_LEFT_OVER = re.compile(rf"^{TABLE}_\d{{8}}_(thin|gone)$")
# No unique index over the whole table: none of these begins with its partition key.
_INDEXES = (
    ("sequence", "UNIQUE", "(stream_id, sequence)"),
    ("feed", "UNIQUE", "(feed_sequence) WHERE feed_sequence IS NOT NULL"),
    ("workflow", "UNIQUE", "(workflow_id, workflow_sequence) WHERE workflow_sequence IS NOT NULL"),
    ("order", "", "(workspace_id, transaction, stream_id, sequence)"),
)


class TableBusy(Exception):
    """Readers or writers held the table at every attempt to change it; try again later."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The events of one UTC day."""

    name: str
    day: date

    @property
    def begins_at(self) -> datetime:
        """Return the day's first moment."""
        return datetime.combine(self.day, time_of_day(), UTC)

    @property
    def ends_at(self) -> datetime:
        """Return the next day's first moment."""
        return self.begins_at + timedelta(days=1)


def first_id(moment: datetime) -> UUID:
    """Return the smallest id that an event made at or after this moment can have."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


ATTACHED = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass('events_event')"
"""Gives the names of all partitions."""


def partitions() -> list[Partition]:
    """Return the partitions of days, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(ATTACHED)
        return of_days([name for (name,) in cursor.fetchall()])


def of_days(names: Sequence[str]) -> list[Partition]:
    """Return the partitions of days among these names, oldest first."""
    matches = [(name, match) for name in names if (match := _NAME.match(name))]
    return sorted((Partition(n, date(int(m[1]), int(m[2]), int(m[3]))) for n, m in matches), key=lambda p: p.day)


def warning_about(there: Sequence[Partition]) -> str:
    """Return a warning if today or tomorrow (UTC) has no partition; empty if both have one."""
    today = datetime.now(UTC).date()
    missing = {today, today + timedelta(days=1)} - {partition.day for partition in there}
    days = ", ".join(f"{day:%Y-%m-%d}" for day in sorted(missing))
    return (
        f"There is no partition for events of {days}; they go to {KEPT}. Check that the scheduler runs." if days else ""
    )


def ensure(days_ahead: int = DAYS_AHEAD) -> list[Partition]:
    """Create the missing partitions from today to `days_ahead` days ahead. Returns those created."""
    today = datetime.now(UTC).date()
    return make([today + timedelta(days=n) for n in range(days_ahead + 1)])


def make(days: Sequence[date]) -> list[Partition]:
    """Create the missing partitions of these days and move their rows out of `kept`. Returns those created.

    Writers to other partitions do not wait. A day with more than MOST_MOVED rows in `kept` stays there. Call it outside
    a transaction. Raises TableBusy.
    """
    there = {partition.day for partition in partitions()}
    made = []
    for day in sorted(set(days) - there):
        partition = Partition(f"{TABLE}_{day:%Y%m%d}", day)
        if _strays(partition) > MOST_MOVED:
            logger.warning(
                "partition for %s not created: %s holds more than %d events of that day; they stay there",
                day,
                KEPT,
                MOST_MOVED,
            )
            continue
        _make(partition)
        made.append(partition)
    return made


def _strays(partition: Partition) -> int:
    """Return how many rows of the day `kept` holds, up to MOST_MOVED + 1."""
    within = sql.SQL("SELECT count(*) FROM (SELECT 1 FROM {} WHERE id >= {} AND id < {} LIMIT {}) AS found").format(
        sql.Identifier(KEPT), *_bounds(partition), sql.Literal(MOST_MOVED + 1)
    )
    with connection.cursor() as cursor:
        cursor.execute(within.as_string(connection.connection))
        return int(cursor.fetchone()[0])


def _make(partition: Partition) -> None:
    name, table, kept = sql.Identifier(partition.name), sql.Identifier(TABLE), sql.Identifier(KEPT)
    low, high = _bounds(partition)
    _change(
        [
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(name, table),
            sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(kept),
            sql.SQL(
                "WITH moved AS (DELETE FROM {} WHERE id >= {} AND id < {} RETURNING *)"
                " INSERT INTO {} SELECT * FROM moved"
            ).format(kept, low, high, name),
            *index_statements(partition.name),
            _attach(partition),
        ]
    )


def index_statements(partition: str) -> list[sql.Composable]:
    """Return the statements that create a partition's indexes, except that of the primary key."""
    return [
        sql.SQL("CREATE {} INDEX ON {} {}").format(sql.SQL(unique), sql.Identifier(partition), sql.SQL(columns))
        for _, unique, columns in _INDEXES
    ]


def make_replacement(partition: Partition) -> str:
    """Create an empty table with which `replace` can replace the partition. Returns its name."""
    thin = f"{partition.name}_thin"
    low, high = _bounds(partition)
    name = sql.Identifier(thin)
    _change(
        [
            sql.SQL("DROP TABLE IF EXISTS {}").format(name),
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(
                name, sql.Identifier(TABLE)
            ),
            # With these, attaching the table scans nothing and builds no index.
            sql.SQL("ALTER TABLE {} ADD CHECK (id >= {} AND id < {}), ADD PRIMARY KEY (id)").format(name, low, high),
            *index_statements(thin),
        ]
    )
    return thin


def replace(partition: Partition, replacement: str | None) -> None:
    """Replace the partition by the replacement, or by nothing, in one transaction, and drop it.

    Writers and readers wait for a few milliseconds, LOCK_WAIT at worst. Raises TableBusy.
    """
    old, gone, table = sql.Identifier(partition.name), f"{partition.name}_gone", sql.Identifier(TABLE)
    # Cancels a vacuum of the table, which would block this change for longer than writers can wait.
    _run("ALTER TABLE {} SET (autovacuum_enabled = false, toast.autovacuum_enabled = false)", old)
    statements: list[sql.Composable] = [
        sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(table),
        sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(table, old),
        sql.SQL("ALTER TABLE {} RENAME TO {}").format(old, sql.Identifier(gone)),
    ]
    if replacement is not None:
        statements += [
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(replacement), old),
            _attach(partition),
        ]
    try:
        _change(statements)
    except TableBusy:
        _run("ALTER TABLE {} RESET (autovacuum_enabled, toast.autovacuum_enabled)", old)
        raise
    _run("DROP TABLE {}", sql.Identifier(gone))  # no longer a partition: no writer waits for it


def drop_leftovers() -> list[str]:
    """Drop the tables that an interrupted `replace` has left. Returns their names."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition AND starts_with(relname, %s)"
            " AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %s::regclass)",
            [f"{TABLE}_", TABLE],
        )
        tables = [name for (name,) in cursor.fetchall() if _LEFT_OVER.match(name)]
    for name in tables:
        _run("DROP TABLE {}", sql.Identifier(name))
    return tables


def _run(statement: LiteralString, name: sql.Identifier) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(name).as_string(connection.connection))


def _bounds(partition: Partition) -> tuple[sql.Literal, sql.Literal]:
    return sql.Literal(str(first_id(partition.begins_at))), sql.Literal(str(first_id(partition.ends_at)))


def _attach(partition: Partition) -> sql.Composable:
    return sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
        sql.Identifier(TABLE), sql.Identifier(partition.name), *_bounds(partition)
    )


def _change(statements: Sequence[sql.Composable]) -> None:
    """Run statements in one transaction. It waits only LOCK_WAIT for the locks, since other queries queue behind it,
    and tries again up to LOCK_ATTEMPTS times. Raises TableBusy."""
    text = sql.SQL("; ").join(statements).as_string(connection.connection)
    if connection.in_atomic_block:  # a migration, which has no competitors
        with connection.cursor() as cursor:
            cursor.execute(text)
        return
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'; {text}")
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, errors.LockNotAvailable | errors.DeadlockDetected):
                raise
            if attempt < LOCK_ATTEMPTS:
                time.sleep(LOCK_PAUSE_SECONDS)
    raise TableBusy(TableBusy.__doc__)
