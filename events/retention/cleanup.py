"""A cleanup: `retention` removes events, `purge` deletes their rows. `forecast` returns what a cleanup would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.utils import timezone

from events.log.partitions import KEPT
from events.retention import purge, retention
from events.retention.models import CleanupState
from events.retention.purge import CHUNK, Collected
from events.retention.retention import RemovedEvents, RetentionTerms
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.leases import only_one

_NOTED = "cleanup_noted"


@dataclass(frozen=True, slots=True)
class Owner:
    """Rows of another package to which events belong, such as executions, and which can be deleted with them."""

    name: str
    delete: Callable[[Workspace | None], int]
    """Deletes the rows whose events were removed, in chunks. Returns how many."""
    delete_tests: Callable[[Mapping[UUID, datetime]], int]
    """Deletes only those of test and debug executions that ended before the time of their workspace."""
    weigh: Callable[[str], tuple[int, int]]
    """Takes a query of stream ids; returns the number of rows that are deleted with these streams, and their bytes."""


_owners: list[Owner] = []
_readers: list[Callable[[], object]] = []


def register(owner: Owner) -> None:
    """Delete the owner's rows with their events, where requested."""
    _owners.append(owner)


def read_before(reader: Callable[[], object]) -> None:
    """Call `reader` before each cleanup, so that it has read the events that are then removed."""
    _readers.append(reader)


@dataclass(slots=True)
class CleanupReport:
    """What a cleanup has done, or would do."""

    removed: RemovedEvents
    collected: Collected
    bytes: Counter[UUID | None] = field(default_factory=Counter)
    """In a forecast: the size of the rows, by workspace."""
    owners: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The rows of owners, by name: how many, and in a forecast their bytes."""

    @property
    def is_empty(self) -> bool:
        """Return whether there was nothing to do."""
        done = self.collected
        return not (self.removed.streams or self.owners or done.dropped or done.thinned or done.rows or done.busy)


def clean_up(
    terms: RetentionTerms | None = None, workspace: Workspace | None = None, chunk: int = CHUNK, *, owners: bool = False
) -> CleanupReport:
    """Remove expired events, as `retention.remove` does, and delete their rows; with `owners`, the rows of owners too.

    The rows of test and debug executions are deleted in any case.

    It may be killed at any time: the next cleanup completes it. Raises leases.AlreadyRunning.
    """
    with only_one(retention.LOCK):
        for reader in _readers:
            reader()
        terms = terms or RetentionTerms.of_settings()
        removed = retention.remove(terms, workspace)
        report = CleanupReport(removed, purge.collect(chunk))
        limits = retention.limits_of_tests(terms, workspace)
        deleted = {owner.name: owner.delete(workspace) if owners else owner.delete_tests(limits) for owner in _owners}
        report.owners = {name: (count, 0) for name, count in deleted.items() if count}
        if not report.is_empty:
            CleanupState.objects.filter(pk=1).update(ran_at=timezone.now(), report=_figures(report))
        return report


def forecast(
    terms: RetentionTerms | None = None, workspace: Workspace | None = None, *, owners: bool = False
) -> CleanupReport:
    """Return what `clean_up` would do now. Changes nothing. Raises leases.AlreadyRunning."""
    with only_one(retention.LOCK), connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE {_NOTED} (id bigint PRIMARY KEY, workspace_id uuid, created_at timestamptz NOT NULL,"
            " last_at timestamptz NOT NULL, through bigint NOT NULL)"
        )
        try:
            removed = retention.remove(terms or RetentionTerms.of_settings(), workspace, note=_NOTED)
            cursor.execute(f"ANALYZE {_NOTED}")
            report = _forecast(removed)
            streams = _streams(workspace, tests_only=not owners)
            weighed = {owner.name: owner.weigh(streams) for owner in _owners}
            report.owners = {name: figures for name, figures in weighed.items() if figures[0]}
            return report
        finally:
            cursor.execute(f"DROP TABLE {_NOTED}")


def _forecast(removed: RemovedEvents) -> CleanupReport:
    # Includes what an interrupted cleanup has removed but not deleted.
    left = purge.REMOVED.format(since=retention.collected_at().isoformat())
    gone = (
        f"(SELECT id, through, created_at, last_at FROM {_NOTED}"  # noqa: S608
        f" UNION ALL SELECT * FROM {left} AS l WHERE id NOT IN (SELECT id FROM {_NOTED}))"
    )
    report = CleanupReport(removed, Collected())
    for partition, fate in purge.survey(gone):
        dead = _weigh(partition.name, gone, report)
        if fate == "delete":
            if dead:
                report.collected.rows[partition.name] = dead
            continue
        (report.collected.dropped if fate == "drop" else report.collected.thinned).append(partition.name)
        size = purge.size(partition.name)
        kept = 0 if fate == "drop" else size * (1 - dead / max(1, purge.rows(partition.name)))
        report.collected.bytes += int(size - kept)
    if dead := _weigh(KEPT, gone, report):
        report.collected.rows[KEPT] = dead
    return report


def _streams(workspace: Workspace | None, *, tests_only: bool) -> str:
    """Return the query of the streams whose events were removed, or would be."""
    only = f" AND workspace_id = '{workspace.pk}'" if workspace else ""
    only += " AND mode <> 'live'" if tests_only else ""
    return (
        "SELECT id FROM events_stream WHERE ended_at IS NOT NULL"  # noqa: S608
        f" AND (removed_at IS NOT NULL OR id IN (SELECT id FROM {_NOTED})){only}"
    )


def _weigh(table: str, gone: str, report: CleanupReport) -> int:
    """Add the sizes of the rows to delete from a partition. Returns their number."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT e.workspace_id, count(*), sum(pg_column_size(e.*)) FROM "{table}" e'  # noqa: S608
            f" JOIN {gone} g ON g.id = e.stream_id AND e.sequence <= g.through GROUP BY 1"
        )
        rows = cursor.fetchall()
    for workspace, _, size in rows:
        report.bytes[workspace] += int(size)
    return sum(count for _, count, _ in rows)


def _figures(report: CleanupReport) -> dict[str, object]:
    done = report.collected
    return {
        "streams": sum(report.removed.streams.values()),
        "events": sum(report.removed.events.values()),
        "dropped": done.dropped,
        "thinned": done.thinned,
        "rows": done.rows,
        "bytes": done.bytes,
        "busy": done.busy,
        "owners": {name: count for name, (count, _) in report.owners.items()},
    }
