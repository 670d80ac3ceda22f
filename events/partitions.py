"""The event table is cut by UTC day, so that retention drops a table instead of deleting rows.

The key of the cut is the event's id: a UUIDv7 begins with the time at which it was made, so an id says which partition
holds it. The partition `kept` holds what outlives its day, and whatever has no day of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db import connection
from psycopg import sql

TABLE = "events_event"
KEPT = "events_event_kept"
DAYS_AHEAD = 14
"""A scheduler that is away for so long is the first that writers would notice of a missing partition: never."""

_NAME = re.compile(rf"^{TABLE}_(\d{{4}})(\d{{2}})(\d{{2}})$")
# A unique index cannot stand on the whole table, since none of these begins with its key.
_INDEXES = (
    ("sequence", "UNIQUE", "(stream_id, sequence)"),
    ("feed", "UNIQUE", "(feed_sequence) WHERE feed_sequence IS NOT NULL"),
    ("workflow", "UNIQUE", "(workflow_id, workflow_sequence) WHERE workflow_sequence IS NOT NULL"),
    ("order", "", "(workspace_id, transaction, stream_id, sequence)"),
)


@dataclass(frozen=True, slots=True)
class Partition:
    """The events of one UTC day."""

    name: str
    day: date


def first_id(moment: datetime) -> UUID:
    """Return the smallest id that an event made at or after this moment can have."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def partitions() -> list[Partition]:
    """Return the partitions of days, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [TABLE])
        found = [(name, match) for (name,) in cursor.fetchall() if (match := _NAME.match(name))]
    return sorted((Partition(n, date(int(m[1]), int(m[2]), int(m[3]))) for n, m in found), key=lambda p: p.day)


def ensure(days_ahead: int = DAYS_AHEAD) -> list[Partition]:
    """Make the partitions from today to so many days ahead that are not there. Returns those made."""
    today = datetime.now(UTC).date()
    return make([today + timedelta(days=n) for n in range(days_ahead + 1)])


def make(days: Sequence[date]) -> list[Partition]:
    """Make the partitions of these days that are not there; rows of theirs move over from `kept`. Returns those made.

    Writers are not held up: they have partitions of their own. Call it outside a transaction.
    """
    there = {partition.day for partition in partitions()}
    made = [Partition(f"{TABLE}_{day:%Y%m%d}", day) for day in sorted(set(days) - there)]
    for partition in made:
        _make(partition)
    return made


def _make(partition: Partition) -> None:
    start = datetime.combine(partition.day, time(), UTC)
    bounds = (first_id(start), first_id(start + timedelta(days=1)))
    name, table, kept = sql.Identifier(partition.name), sql.Identifier(TABLE), sql.Identifier(KEPT)
    low, high = (sql.Literal(str(bound)) for bound in bounds)
    statements: list[sql.Composable] = [
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(name, table),
        sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(kept),
        sql.SQL(
            "WITH moved AS (DELETE FROM {} WHERE id >= {} AND id < {} RETURNING *) INSERT INTO {} SELECT * FROM moved"
        ).format(kept, low, high, name),
        *index_statements(partition.name),
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(table, name, low, high),
    ]
    with connection.cursor() as cursor:
        # One statement text is one transaction.
        cursor.execute(sql.SQL("; ").join(statements).as_string(connection.connection))


def index_statements(partition: str) -> list[sql.Composable]:
    """Return what makes a partition's indexes, besides that of the primary key."""
    return [
        sql.SQL("CREATE {} INDEX {} ON {} {}").format(
            sql.SQL(unique), sql.Identifier(f"{partition}_{name}"), sql.Identifier(partition), sql.SQL(columns)
        )
        for name, unique, columns in _INDEXES
    ]
