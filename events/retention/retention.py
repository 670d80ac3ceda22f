"""Retention of history. All events of an ended stream are removed together; those of a running one are kept.

Events are removed by one change of the stream's row (`removed_through`). From then on readers do not see them, and
clients are notified. `purge` deletes the rows afterwards, mostly a day's partition at a time. Both use short
transactions and may be interrupted at any time: the next run completes them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from events.catalogue.stream_names import EXECUTION, SYSTEM, USER, WORKFLOW, WORKSPACE
from events.log.models import Stream
from events.log.partitions import first_id
from events.retention.models import CleanupState, RetentionPolicy
from workflow_platform.core.accounts.models import Workspace

logger = logging.getLogger(__name__)

FAILURES = ["execution.failed", "execution.timed_out"]
STREAMS_AT_ONCE = 1_000
DAY = timedelta(days=1)
LOCK = 7_316_024_911  # any number that no other lock uses


@dataclass(frozen=True, slots=True)
class RetentionTerms:
    """For how long events are kept after the end of their execution; other events, after they happened."""

    keep: timedelta
    keep_failed: timedelta = timedelta()
    """For failed and timed-out executions; never shorter than `keep`."""
    max_events: int = 0
    """The maximum number of events of ended streams; the oldest streams are removed first. 0: no limit."""
    close: timedelta | None = None
    """Events of an execution are removed this long after its end."""
    keep_tests: timedelta | None = None
    """For test and debug executions; None, or longer than `keep`: like others."""

    @classmethod
    def of_settings(cls) -> RetentionTerms:
        """Return the terms of the settings."""
        return cls(
            timedelta(days=settings.EVENT_HISTORY_RETENTION_DAYS),
            max_events=settings.EVENT_HISTORY_MAX_SIZE,
            close=None if settings.EVENT_HISTORY_ENABLED else timedelta(seconds=settings.STREAM_CLOSE_SECONDS),
            keep_tests=timedelta(days=settings.TEST_RETENTION_DAYS),
        )


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which events of a workspace are removed now. Workspace None: those of the installation."""

    workspace: UUID | None
    before: datetime
    failed_before: datetime
    tests_before: datetime
    """Test and debug executions that ended before this time go, whatever their result."""
    others_before: datetime
    last_surplus: tuple[datetime, int]
    """The end and the id of the newest ended stream that exceeds `max_events`."""


@dataclass(slots=True)
class RemovedEvents:
    """What was removed, or would be, by workspace (None: of the installation, or of deleted workspaces)."""

    streams: Counter[UUID | None] = field(default_factory=Counter)
    events: Counter[UUID | None] = field(default_factory=Counter)


def remove(terms: RetentionTerms, workspace: Workspace | None = None, note: str | None = None) -> RemovedEvents:
    """Remove expired events, of one workspace or of all, in transactions of STREAMS_AT_ONCE streams.

    A workspace's policy takes precedence over `terms`, unless `workspace` is given. With `note`, nothing is removed:
    what would be removed is written to the table of that name.
    """
    removed = RemovedEvents()
    for rule in _rules(terms, workspace):
        for select in (_ENDED, _TESTS, _INSTALLATION if rule.workspace is None else _WORKFLOWS):
            _remove(select, _parameters(rule), note, removed)
    if workspace is None:
        names = {"executions": f"{EXECUTION}%", "workflows": [f"{WORKFLOW}%", f"{WORKSPACE}%"]}
        _remove(_ABANDONED, names | {"before": timezone.now()}, note, removed)
    return removed


def limits_of_tests(terms: RetentionTerms, workspace: Workspace | None) -> dict[UUID, datetime]:
    """Return by workspace the time before which test and debug executions must have ended to be removed."""
    return {rule.workspace: rule.tests_before for rule in _rules(terms, workspace) if rule.workspace is not None}


def _rules(terms: RetentionTerms, only: Workspace | None) -> list[_Rule]:
    now = timezone.now()
    policies = {} if only else RetentionPolicy.objects.in_bulk()
    ids = [only.pk] if only else [*Workspace.objects.order_by("pk").values_list("pk", flat=True), None]
    surplus = _last_surplus(terms.max_events, only.pk if only else None)
    rules = []
    for workspace in ids:
        policy = policies.get(workspace) if workspace else None
        keep = timedelta(days=policy.days) if policy and policy.days else terms.keep
        failed = policy.keep_failed_days if policy else None
        keep_failed = timedelta(days=failed) if failed else terms.keep_failed
        own = _last_surplus(policy.max_events, workspace) if policy and policy.max_events else surplus
        before = _before(now, keep) if terms.close is None else now - terms.close
        failed_before = _before(now, max(keep, keep_failed)) if terms.close is None else before
        keep_tests = timedelta(days=policy.test_days) if policy and policy.test_days else terms.keep_tests
        tests_before = _before(now, min(keep, keep if keep_tests is None else keep_tests))
        rules.append(_Rule(workspace, before, failed_before, tests_before, _before(now, keep), max(own, surplus)))
    return rules


def _before(now: datetime, age: timedelta) -> datetime:
    """Return the moment that is `age` ago; for whole days, the beginning of a day, so that whole days are removed."""
    moment = now - age
    return moment if age % DAY or not age else datetime.combine(moment.date(), time(), moment.tzinfo)


_NEVER = (datetime(1970, 1, 1, tzinfo=UTC), 0)


def _last_surplus(most: int, workspace: UUID | None) -> tuple[datetime, int]:
    """Return the end and the id of the newest ended stream beyond `most` events."""
    if not most:
        return _NEVER
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ended_at, id FROM (SELECT ended_at, id,"
            "  sum(last_sequence - removed_through) OVER (ORDER BY ended_at DESC, id DESC) AS kept FROM events_stream"
            "  WHERE ended_at IS NOT NULL AND removed_at IS NULL AND (%(all)s OR workspace_id = %(workspace)s)"
            " ) AS summed WHERE kept > %(most)s ORDER BY ended_at DESC, id DESC LIMIT 1",
            {"all": workspace is None, "workspace": workspace, "most": most},
        )
        return cursor.fetchone() or _NEVER


def _parameters(rule: _Rule) -> dict[str, Any]:
    return {
        "workspace": rule.workspace,
        "before": rule.before,
        "failed_before": rule.failed_before,
        "tests_before": rule.tests_before,
        "latest": max(rule.before, rule.failed_before, rule.last_surplus[0]),
        "surplus_at": rule.last_surplus[0],
        "surplus_id": rule.last_surplus[1],
        "others_before": rule.others_before,
        "bound": first_id(rule.others_before),
        "failures": FAILURES,
        "system": SYSTEM,
        "workflows": [f"{WORKFLOW}%", f"{WORKSPACE}%"],
        "users": f"{USER}%",
    }


# Each query returns streams (id, workspace_id, created_at), the last sequence to remove (through), the number of
# events, and the key to continue from: (at, id).
_ENDED = """
SELECT id, workspace_id, created_at, last_sequence AS through, last_sequence - removed_through AS events, ended_at AS at
FROM events_stream
WHERE workspace_id = %(workspace)s AND ended_at IS NOT NULL AND removed_at IS NULL AND ended_at <= %(latest)s
  AND (ended_at < CASE WHEN ended_as = ANY(%(failures)s) THEN %(failed_before)s ELSE %(before)s END
       OR (ended_at, id) <= (%(surplus_at)s, %(surplus_id)s))
  AND (ended_at, id) > (%(after_at)s, %(after_id)s)
ORDER BY ended_at, id LIMIT %(limit)s
"""
_TESTS = """
SELECT id, workspace_id, created_at, last_sequence AS through, last_sequence - removed_through AS events, ended_at AS at
FROM events_stream
WHERE workspace_id = %(workspace)s AND ended_at < %(tests_before)s AND removed_at IS NULL AND mode <> 'live'
  AND (ended_at, id) > (%(after_at)s, %(after_id)s)
ORDER BY ended_at, id LIMIT %(limit)s
"""
_OTHERS = """
SELECT s.id, s.workspace_id, s.created_at, e.through, e.events, s.created_at AS at
FROM events_stream s CROSS JOIN LATERAL (
  SELECT max(sequence) AS through, count(*) AS events FROM events_event
  WHERE stream_id = s.id AND sequence > s.removed_through AND id < %(bound)s
) e
WHERE {} AND s.ended_at IS NULL AND s.created_at < %(others_before)s AND e.events > 0
  AND (s.created_at, s.id) > (%(after_at)s, %(after_id)s)
ORDER BY s.created_at, s.id LIMIT %(limit)s
"""
_WORKFLOWS = _OTHERS.format("s.workspace_id = %(workspace)s AND s.name LIKE ANY(%(workflows)s)")
_INSTALLATION = _OTHERS.format("(s.name = %(system)s OR s.name LIKE %(users)s)")
_ABANDONED = """
SELECT s.id, NULL::uuid AS workspace_id, s.created_at, s.last_sequence AS through, e.events, s.created_at AS at
FROM events_stream s CROSS JOIN LATERAL (
  SELECT count(*) AS events FROM events_event WHERE stream_id = s.id AND sequence > s.removed_through
) e
WHERE s.workspace_id IS NULL AND (s.name LIKE %(executions)s OR s.name LIKE ANY(%(workflows)s))
  AND (s.removed_at IS NULL OR s.removed_through < s.last_sequence) AND s.created_at < %(before)s
  AND (s.created_at, s.id) > (%(after_at)s, %(after_id)s)
ORDER BY s.created_at, s.id LIMIT %(limit)s
"""
# Lock in the same order as appends.
_REMOVE = """
WITH found AS MATERIALIZED ({select}),
locked AS (SELECT s.id FROM events_stream s JOIN found USING (id) ORDER BY s.id FOR NO KEY UPDATE OF s)
UPDATE events_stream s SET removed_through = GREATEST(removed_through, found.through), removed_at = clock_timestamp()
FROM found JOIN locked USING (id) WHERE s.id = found.id
RETURNING found.at, s.id, found.workspace_id, found.events
"""
_NOTE = """
WITH found AS ({select})
INSERT INTO {table} (id, workspace_id, created_at, last_at, through)
SELECT id, workspace_id, created_at, at, through FROM found
ON CONFLICT (id) DO NOTHING RETURNING last_at, id, workspace_id, (SELECT f.events FROM found f WHERE f.id = {table}.id)
"""


def _remove(select: str, parameters: dict[str, Any], note: str | None, removed: RemovedEvents) -> None:
    statement = _NOTE.format(select=select, table=note) if note else _REMOVE.format(select=select)
    after = _NEVER
    while True:
        page = {"after_at": after[0], "after_id": after[1], "limit": STREAMS_AT_ONCE}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, parameters | page)
            rows = cursor.fetchall()
        for _, _, workspace, events in rows:
            removed.streams[workspace] += 1
            removed.events[workspace] += events
        if len(rows) < STREAMS_AT_ONCE:
            return
        after = max((at, id_) for at, id_, _, _ in rows)


def abandon(stream_ids: Sequence[int]) -> None:
    """Mark streams whose executions or workflows were deleted, inside the caller's transaction: the next cleanup
    deletes them."""
    Stream.objects.filter(pk__in=stream_ids).update(workspace=None)


def collected_at() -> datetime:
    """Return the moment up to which the rows of removed events have been deleted."""
    state = CleanupState.objects.filter(pk=1).first()
    return state.collected_at if state else _NEVER[0]
