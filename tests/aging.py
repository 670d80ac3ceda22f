"""Events of long ago: appended now, and then moved into the past with their streams."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from events.catalogue.stream_names import EXECUTION
from events.log.models import Stream

from events import log
from events.log import NewEvent, partitions
from workflow_platform.core.accounts.models import Workspace

SUMMARY: dict[str, Any] = {
    "duration_ms": 1.0, "nodes_executed": 1, "nodes_failed": 0, "nodes_skipped": 0, "slowest": None, "fastest": None,
}  # fmt: skip
ENDS: dict[str, dict[str, Any]] = {
    "execution.completed": {"summary": SUMMARY},
    "execution.failed": {"summary": SUMMARY, "error": {"type": "Error", "message": "It failed."}},
    "execution.timed_out": {"summary": SUMMARY, "limit_ms": 1},
    "execution.cancelled": {"summary": SUMMARY, "reason": "Asked for.", "by": None},
}


@pytest.fixture
def old_partitions() -> Iterator[None]:
    """Take away the partitions of days gone by that a test has made."""
    today = datetime.now(UTC).date()
    yield
    with connection.cursor() as cursor:
        for partition in partitions.partitions():
            if partition.day < today:
                cursor.execute(f"DROP TABLE {partition.name}")


def day(days_ago: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days_ago)


def workspace(slug: str = "tests") -> Workspace:
    found, _ = Workspace.objects.get_or_create(slug=slug, defaults={"name": slug.title()})
    return found


def history(
    *,
    events: int = 3,
    end: str | None = "completed",
    days_ago: int = 0,
    slug: str = "tests",
    workflow: UUID | None = None,
) -> Stream:
    """Open a stream with so many events, which happened so many days ago; the last one is its end, unless it runs."""
    return histories(1, events=events, end=end, days_ago=days_ago, slug=slug, workflow=workflow)[0]


def histories(count: int, *, workflow: UUID | None = None, **about: Any) -> list[Stream]:
    """Open several streams, as `history` does."""
    events, end, days_ago = about.get("events", 3), about.get("end", "completed"), about.get("days_ago", 0)
    owner = workspace(about.get("slug", "tests")).pk
    streams = log.open_streams([(f"{EXECUTION}{uuid4()}", owner) for _ in range(count)])
    data = {"level": "info", "message": "Something was done."}
    news = [
        NewEvent(stream.pk, "execution.log", data, "tests", workflow_id=workflow)
        for stream in streams
        for _ in range(events - bool(end))
    ]
    if end:
        type_ = f"execution.{end}"
        news += [NewEvent(stream.pk, type_, ENDS[type_], "tests", workflow_id=workflow) for stream in streams]
    with transaction.atomic():
        log.append(news)
    if days_ago:
        partitions.make([day(days_ago)])
        age([stream.pk for stream in streams], days_ago)
    for stream in streams:
        stream.refresh_from_db()
    return streams


def age(stream_ids: list[int], days: int) -> None:
    """Have what happened in the streams have happened so many days earlier."""
    shift = days * 86_400_000
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events_event SET time = time - make_interval(days => %s), id = (lpad(to_hex("
            "  ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint - %s), 12, '0')"
            "  || substr(replace(id::text, '-', ''), 13))::uuid WHERE stream_id = ANY(%s)",
            [days, shift, stream_ids],
        )
        cursor.execute(
            "UPDATE events_stream SET created_at = created_at - make_interval(days => %s),"
            " ended_at = ended_at - make_interval(days => %s) WHERE id = ANY(%s)",
            [days, days, stream_ids],
        )


def read(stream: Stream) -> list[int]:
    """Return the sequences that a reader of the stream finds."""
    return [event["sequence"] for event in log.read_after(stream.name, 0, 1000)]


def stored(stream: Stream) -> dict[str, int]:
    """Return in which partitions the stream has rows, and how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text, count(*) FROM events_event WHERE stream_id = %s GROUP BY 1", [stream.pk]
        )
        return dict(cursor.fetchall())
