"""Counts events into the rollups: each event once, in the transaction that moves the position.

The events are read in the order over all streams and behind the oldest open transaction (decision 13), so one that is
committed late is counted later, in the minute in which it happened.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import connection, transaction

from events.history import scanning
from events.history.scanning import Conditions, HistoryQuery, Scan, ScanPosition, Workspaces
from events.log.partitions import first_id
from executions.rollups import statements
from workflow_platform.core.accounts.models import Workspace

AT_ONCE = 20_000
"""Events of one transaction, which takes part of a second: nothing behind it can be read meanwhile."""
PATIENCE_SECONDS = 2.0
RECENT = timedelta(days=1)
"""Events that can be read now were made at most this long before the last look: no transaction is open for longer."""
_COLUMNS = "e.transaction, e.stream_id, e.sequence, e.type, e.time, e.execution_id, e.workflow_id, e.data"
_TAKE = """
SELECT transaction, stream_id, sequence, counted_at, events_safe_before(), clock_timestamp()
FROM executions_rollupposition WHERE id = 1 FOR UPDATE SKIP LOCKED
"""
_MOVE = "UPDATE executions_rollupposition SET transaction = %s, stream_id = %s, sequence = %s WHERE id = 1"
_LOOKED = "UPDATE executions_rollupposition SET counted_at = %s WHERE id = 1"


def advance(patience: float = PATIENCE_SECONDS, at_once: int = AT_ONCE) -> bool:
    """Count the events that can be read now. Returns False if that takes longer than `patience`, or if another process
    is doing it: then what it has not counted yet is counted later."""
    deadline = monotonic() + patience
    while (more := _advance_once(at_once)) and monotonic() < deadline:
        pass
    return more is False


@transaction.atomic
def _advance_once(at_once: int) -> bool | None:
    """Count up to about `at_once` events. Returns whether there are more; None if another process is counting."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE)
        row = cursor.fetchone()
        if row is None:
            return None
        *after, counted_at, safe_before, now = row
        query = _query(counted_at)
        position = ScanPosition((after[0], after[1], after[2]), safe_before, backwards=False)
        bound, more = scanning.bound(query, position, at_once) if len(query.roots) else (None, False)
        if bound is not None:
            cursor.execute(*_counting(query, position, bound))
            cursor.execute(_MOVE, bound)
        if not more:
            cursor.execute(_LOOKED, [now])
    return more


def _query(counted_at: datetime | None) -> HistoryQuery:
    conditions = Conditions()
    if counted_at is not None:
        conditions.from_id("recent_id", first_id(counted_at - RECENT))
    ids = list(Workspace.objects.order_by("pk").values_list("pk", flat=True))
    return HistoryQuery(Workspaces(ids, installation=False), conditions)


def _counting(query: HistoryQuery, position: ScanPosition, bound: scanning.Key) -> tuple[str, dict[str, Any]]:
    where = "".join(f" AND {term}" for term in (*query.conditions.days, "e.type = ANY(%(types)s)"))
    source, values = query.roots.source(Scan(_COLUMNS, where, position.order(), "", position, bound))
    return statements.COUNT.replace("{source}", source), values | query.conditions.values | statements.VALUES
