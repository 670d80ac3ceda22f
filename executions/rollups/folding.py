"""Keeps the rollups small: minutes become hours after some days, and hours are removed after ROLLUP_RETENTION_DAYS.

The totals since the beginning stay.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from executions.models import HOUR, MINUTE, RollupPosition
from executions.rollups import statements
from executions.rollups.statements import columns, summed, total, upsert

FOLD_EVERY = timedelta(hours=1)
AT_ONCE = timedelta(hours=6)
"""The minutes of one transaction."""
LATE = timedelta(days=2)


def _fold(table: str, keys: tuple[str, ...], sums: tuple[str, ...], bins: tuple[str, ...], others: str = "") -> str:
    key = [name for name in keys if name not in {"began_at", "seconds"}]
    further = ("node_type", "memory_bytes") if others else ()
    figures = [*map(total, sums), *map(summed, bins), *(f"max({name})" for name in further)]
    return f"""
    WITH gone AS (
      DELETE FROM {table} WHERE seconds = {MINUTE} AND began_at < %(end)s RETURNING *
    )
    INSERT INTO {table} AS r ({columns(key, ("began_at", "seconds"), sums, bins, further)})
    SELECT {columns(key)}, date_trunc('hour', began_at), {HOUR}, {", ".join(figures)}
    FROM gone WHERE workflow_id IN (SELECT id FROM executions_workflow)
    GROUP BY {columns(key)}, date_trunc('hour', began_at)
    {upsert(keys, sums, bins, others)}
    """  # noqa: S608 - constants of ours


_TABLES = ("executions_executionrollup", "executions_noderollup")
_FOLDS = (
    _fold(_TABLES[0], statements.EXECUTION_KEYS, statements.EXECUTION_SUMS, statements.EXECUTION_BINS),
    _fold(_TABLES[1], statements.NODE_KEYS, statements.NODE_SUMS, statements.NODE_BINS, statements.NODE_OTHERS),
)
_OLDEST = f"""
SELECT min(began_at) FROM ({
    " UNION ALL ".join(f"(SELECT min(began_at) AS began_at FROM {table} WHERE seconds = {MINUTE})" for table in _TABLES)
}) oldest
"""  # noqa: S608
# Deleting a workflow deletes its rows; an event that is counted later can only be a recent one.
_REMOVE = """
DELETE FROM {table} r WHERE r.began_at < %(before)s
  OR r.began_at > %(recent)s AND r.workflow_id NOT IN (SELECT id FROM executions_workflow)
"""


def fold_if_due() -> None:
    """Fold and remove old rows about once in FOLD_EVERY. Another process may be doing it; then do nothing."""
    position = RollupPosition.objects.filter(pk=1).first()
    now = datetime.now(UTC)
    if position is not None and (position.folded_at is None or now - position.folded_at >= FOLD_EVERY):
        fold(now)


def fold(now: datetime) -> None:
    """Make hours of the minutes that are older than ROLLUP_MINUTES_DAYS, and remove what is older than
    ROLLUP_RETENTION_DAYS or belongs to a workflow that is deleted."""
    end = (now - timedelta(days=settings.ROLLUP_MINUTES_DAYS)).replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST)
        (oldest,) = cursor.fetchone()
    step = end if oldest is None else min(oldest.replace(minute=0, second=0, microsecond=0) + AT_ONCE, end)
    while _locked_fold(step, last=step >= end, now=now) and step < end:
        step = min(step + AT_ONCE, end)


@transaction.atomic
def _locked_fold(end: datetime, *, last: bool, now: datetime) -> bool:
    """Fold the minutes before `end`. Returns False if another process counts or folds."""
    position = RollupPosition.objects.select_for_update(skip_locked=True).filter(pk=1).first()
    if position is None:
        return False
    with connection.cursor() as cursor:
        for statement in _FOLDS:
            cursor.execute(statement, {"end": end})
        if last:
            for table in _TABLES:
                before = now - timedelta(days=settings.ROLLUP_RETENTION_DAYS)
                cursor.execute(_REMOVE.format(table=table), {"before": before, "recent": now - LATE})
            RollupPosition.objects.filter(pk=1).update(folded_at=now)
    return True
