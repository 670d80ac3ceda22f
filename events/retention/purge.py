"""Deletes the rows of removed events, which readers no longer see, in the cheapest way for each partition.

A partition without events to keep is dropped. A partition with fewer rows to keep than to delete is rewritten: the rows
to keep are copied to a new table, chunk by chunk, which then replaces the partition in one transaction. From other
partitions, rows are deleted in chunks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import F

from events.catalogue.stream_names import EXECUTION, WORKFLOW
from events.log import partitions
from events.log.models import Stream
from events.log.partitions import KEPT, Partition
from events.log.reading import CLOCK_SLACK
from events.retention.models import CleanupState
from events.retention.retention import collected_at

CHUNK = 5_000
SETTLED = timedelta(days=2)
"""No event is written to the partition of a day later than this after the day."""

REMOVED = (
    "(SELECT id, removed_through AS through, created_at, COALESCE(ended_at, removed_at) AS last_at FROM events_stream"
    " WHERE removed_at > '{since}')"
)
"""The streams of which rows are to be deleted, and up to which sequence."""


@dataclass(slots=True)
class Collected:
    """What was deleted, or would be. Bytes are those returned to the file system."""

    dropped: list[str] = field(default_factory=list)
    thinned: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    """Rows deleted one by one, by partition."""
    bytes: int = 0
    busy: list[str] = field(default_factory=list)
    """Partitions that were skipped because they were in use; the next cleanup deletes them."""


def collect(chunk: int = CHUNK) -> Collected:
    """Delete the rows of events that were removed since the last cleanup. Call it under `retention.LOCK`."""
    partitions.drop_leftovers()
    now, since = _now(), collected_at()
    gone = REMOVED.format(since=since.isoformat())
    done = Collected()
    for partition, fate in survey(gone):
        name = partition.name
        if fate == "delete":
            if deleted := _delete(name, gone, chunk, partition):
                done.rows[name] = deleted
        elif done.busy:  # a lock on one partition blocks all of them
            done.busy.append(name)
        else:
            _purge(partition, fate, chunk, done)
    if not is_empty(KEPT) and (count := _delete(KEPT, gone, chunk)):
        done.rows[KEPT] = count
    if not done.busy:
        _forget_abandoned(now)
        CleanupState.objects.update_or_create(pk=1, defaults={"collected_at": now})
    return done


def _purge(partition: Partition, fate: str, chunk: int, done: Collected) -> None:
    before = size(partition.name)
    try:
        if fate == "drop":
            partitions.replace(partition, None)
        else:
            _thin(partition, chunk)
    except partitions.TableBusy:
        done.busy.append(partition.name)
        return
    (done.dropped if fate == "drop" else done.thinned).append(partition.name)
    done.bytes += before - size(partition.name)


def survey(gone: str) -> Iterator[tuple[Partition, str]]:
    """Return what to do with each partition that has no rows or rows of the streams `gone`: drop, thin or delete."""
    today = datetime.now(UTC).date()
    for partition in partitions.partitions():
        settled = is_settled(partition.day, today)
        if settled and is_empty(partition.name):
            yield partition, "drop"
            continue
        if not _concerns(partition, gone):
            continue
        if not settled:
            yield partition, "delete"
            continue
        dead, all_ = count(partition.name, gone, partition), rows(partition.name)
        if dead == all_:
            yield partition, "drop"
        elif dead:
            yield partition, "thin" if dead * 2 >= all_ else "delete"


def is_settled(day: date, today: date) -> bool:
    """Return whether no more events are written to the day's partition."""
    return today - day >= SETTLED


def count(table: str, gone: str, partition: Partition | None = None) -> int:
    """Return how many rows of a partition belong to removed events."""
    return _value(f'SELECT count(*) FROM "{table}" e JOIN {_within(gone, partition)} g {_ON}')  # noqa: S608


def rows(table: str) -> int:
    """Return the number of rows of a table."""
    return _value(f'SELECT count(*) FROM "{table}"')  # noqa: S608


def is_empty(table: str) -> bool:
    """Return whether a table has no rows."""
    return not _value(f'SELECT count(*) FROM (SELECT 1 FROM "{table}" LIMIT 1) AS any_')  # noqa: S608


_ON = "ON g.id = e.stream_id AND e.sequence <= g.through"


def _within(gone: str, partition: Partition | None) -> str:
    """Narrow `gone` to the streams that can have events in the partition."""
    if partition is None:
        return gone
    low, high = partition.begins_at - CLOCK_SLACK, partition.ends_at + CLOCK_SLACK
    where = f"created_at < '{high.isoformat()}' AND last_at >= '{low.isoformat()}'"
    return f"(SELECT * FROM {gone} AS streams WHERE {where})"  # noqa: S608


def _concerns(partition: Partition, gone: str) -> bool:
    return bool(_value(f"SELECT count(*) FROM (SELECT 1 FROM {_within(gone, partition)} AS g LIMIT 1) AS any_"))  # noqa: S608


def _thin(partition: Partition, chunk: int) -> None:
    """Replace the partition by a table with only the rows to keep."""
    table = partition.name
    thin = partitions.make_replacement(partition)
    slices = max(1, math.ceil(rows(table) / (chunk * 10)))
    width = (partition.ends_at - partition.begins_at) / slices
    for number in range(slices):
        low = partitions.first_id(partition.begins_at + number * width)
        high = partitions.first_id(partition.begins_at + (number + 1) * width)
        if number == slices - 1:
            high = partitions.first_id(partition.ends_at)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f'INSERT INTO "{thin}" SELECT e.* FROM "{table}" e JOIN events_stream s ON s.id = e.stream_id'  # noqa: S608
                " AND e.sequence > s.removed_through WHERE e.id >= %s AND e.id < %s",
                [low, high],
            )
    with connection.cursor() as cursor:
        cursor.execute(f'ANALYZE "{thin}"')
    partitions.replace(partition, thin)


def _delete(table: str, gone: str, chunk: int, partition: Partition | None = None) -> int:
    """Delete the rows of removed events from a partition, in chunks. Returns how many."""
    deleted, after = 0, 0
    streams = f"SELECT id, through FROM {_within(gone, partition)} AS s WHERE id > %s ORDER BY id LIMIT 500"  # noqa: S608
    one_chunk = (
        f'DELETE FROM "{table}" WHERE ctid = ANY(ARRAY(SELECT e.ctid FROM "{table}" e'  # noqa: S608
        f" JOIN unnest(%s::bigint[], %s::bigint[]) AS g(id, through) {_ON} LIMIT %s))"
    )
    while True:
        with connection.cursor() as cursor:
            cursor.execute(streams, [after])
            rows = cursor.fetchall()
        if not rows:
            return deleted
        ids, through = zip(*rows, strict=True)
        after = ids[-1]
        gone_now = chunk
        while gone_now == chunk:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(one_chunk, [list(ids), list(through), chunk])
                gone_now = cursor.rowcount
            deleted += gone_now


def _forget_abandoned(until: datetime) -> None:
    """Delete the streams of deleted workspaces, whose events have been deleted."""
    abandoned = Stream.objects.filter(workspace=None, removed_at__lte=until, removed_through=F("last_sequence"))
    abandoned = abandoned.filter(name__startswith=EXECUTION) | abandoned.filter(name__startswith=WORKFLOW)
    while ids := list(abandoned.values_list("pk", flat=True)[:1_000]):
        abandoned.filter(pk__in=ids).delete()


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]  # type: ignore[no-any-return]


def size(table: str) -> int:
    """Return the bytes of a table with its indexes; 0 if it does not exist."""
    return _value(f"SELECT COALESCE(pg_total_relation_size(to_regclass('\"{table}\"')), 0)")


def _value(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])
