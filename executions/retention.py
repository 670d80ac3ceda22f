"""Deletion of ended executions with their events, where requested: rows, node runs and outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from events.retention import retention
from executions.models import Execution, Mode
from workflow_platform.core.accounts.models import Workspace

BATCH = 100


def prune(workspace: Workspace | None = None) -> int:
    """Delete the ended executions whose events were removed, BATCH per transaction. Returns the number.

    An execution with an unended child is kept until the child has ended. Reruns and schedules that refer to a deleted
    execution are unaffected: they hold copies of its data.
    """
    due = _due()
    return _prune_all(due if workspace is None else due.filter(workspace=workspace))


def prune_tests(limits: Mapping[UUID, datetime]) -> int:
    """Delete the test and debug executions whose events were removed and that ended before the time of their workspace,
    as `prune` does. Returns the number."""
    tests = _due().exclude(mode=Mode.LIVE)
    return sum(_prune_all(tests.filter(workspace=workspace, ended_at__lt=at)) for workspace, at in limits.items())


def _due() -> QuerySet[Execution]:
    unended = Execution.objects.filter(parent=OuterRef("pk"), ended_at__isnull=True)
    due = Execution.objects.filter(ended_at__isnull=False, follow_up_due=False, stream__removed_at__isnull=False)
    return due.filter(~Exists(unended))


def _prune_all(due: QuerySet[Execution]) -> int:
    count = 0
    while pruned := _prune_some(due):
        count += pruned
    return count


@transaction.atomic
def delete_ended(ids: Collection[UUID]) -> set[UUID]:
    """Delete ended executions with their node runs, outputs and events. Returns which: one with an unended child is
    kept, so that the child finds its parent."""
    unended = Execution.objects.filter(parent=OuterRef("pk"), ended_at__isnull=True)
    due = Execution.objects.filter(pk__in=ids, ended_at__isnull=False, follow_up_due=False).filter(~Exists(unended))
    batch = list(due.select_for_update(of=("self",)).order_by("pk").values_list("pk", "stream_id"))
    _delete(batch)
    return {pk for pk, _ in batch}


@transaction.atomic
def _prune_some(due: QuerySet[Execution]) -> int:
    locked = due.select_for_update(of=("self",), skip_locked=True).order_by("pk").values_list("pk", "stream_id")
    batch = list(locked[:BATCH])
    _delete(batch)
    return len(batch)


def _delete(batch: Sequence[tuple[UUID, int]]) -> None:
    Execution.objects.filter(pk__in=[pk for pk, _ in batch]).only("pk").delete()  # without reading inputs
    retention.abandon([stream_id for _, stream_id in batch])


def weigh(streams: str) -> tuple[int, int]:
    """Return the number of executions of the streams (a query of their ids), and the bytes of their outputs."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), COALESCE(sum((SELECT sum(output_bytes) FROM executions_noderun r"  # noqa: S608
            f" WHERE r.execution_id = e.id)), 0)::bigint FROM executions_execution e WHERE e.stream_id IN ({streams})"
            " AND NOT EXISTS (SELECT 1 FROM executions_execution c WHERE c.parent_id = e.id AND c.ended_at IS NULL)"
        )
        count, size = cursor.fetchone()
    return int(count), int(size)
