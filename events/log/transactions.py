"""The numbers by which transactions are ordered: PostgreSQL's own, plus a base that survives a move of the data.

A dump takes the events' numbers along, and the cluster that it is restored into counts its transactions from elsewhere.
From too low, restored events would count as not yet safe to read, and new ones would come to stand before them. The
base makes good the difference. It lives in functions of the database, which the planner inlines: it costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection, transaction

_DEFINITIONS = """
CREATE OR REPLACE FUNCTION events_current_transaction() RETURNS bigint LANGUAGE sql STABLE AS
 'SELECT pg_catalog.pg_current_xact_id()::text::bigint + {base}';
CREATE OR REPLACE FUNCTION events_safe_before() RETURNS bigint LANGUAGE sql STABLE AS
 'SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint + {base}';
"""


@dataclass(frozen=True, slots=True)
class TransactionStatus:
    """The greatest transaction number of events, and the next one of the cluster."""

    greatest: int
    """That any event has."""
    next: int
    """That the next transaction will have."""

    @property
    def behind(self) -> bool:
        """Tell whether events have numbers that this cluster has not reached: they come from another cluster."""
        return self.greatest >= self.next


def define(base: int = 0) -> str:
    """Return the statements that define the functions, with a base.

    `events_current_transaction()` is the number of the transaction at work; below `events_safe_before()` every
    transaction has ended, so that no event can appear there any more.
    """
    return _DEFINITIONS.format(base=int(base))


def status() -> TransactionStatus:
    """Return the status of the numbers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce((SELECT max(last_transaction) FROM events_stream), 0),"
            " events_safe_before() + pg_snapshot_xmax(s)::text::bigint - pg_snapshot_xmin(s)::text::bigint"
            " FROM pg_current_snapshot() s"
        )
        return TransactionStatus(*cursor.fetchone())


def current() -> int:
    """Return the number of the current transaction. Earlier writers have smaller ones."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT events_current_transaction()")
        return int(cursor.fetchone()[0])


def repair() -> int:
    """Raise the base so that new events come after all that there are. Returns by how much; 0 where nothing is wrong.

    Writers wait meanwhile, an instant. Cursors stay valid, since no event's number changes.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # A writer's first statement waits here, and is planned afterwards, with the functions as they then are.
        cursor.execute("LOCK TABLE events_stream IN EXCLUSIVE MODE")
        numbers = status()
        if not numbers.behind:
            return 0
        # From the oldest open transaction on: everything that is not written yet sorts after what is.
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        (oldest,) = cursor.fetchone()
        cursor.execute(define(numbers.greatest + 1 - oldest))
        return numbers.greatest + 1 - numbers.next
