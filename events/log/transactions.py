"""The numbers by which transactions are ordered: PostgreSQL's own, plus a base that is kept when the data move.

A dump contains the events' numbers, but the cluster that it is restored into counts its transactions from another
number. If that is lower, restored events would count as not yet safe to read, and new ones would be ordered before
them. The base makes up the difference. It is part of functions of the database, which the planner inlines: it costs
nothing.
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
    """The greatest number of any event."""
    next: int
    """The number of the next transaction."""

    @property
    def behind(self) -> bool:
        """Return whether events have numbers that this cluster has not reached: they come from another cluster."""
        return self.greatest >= self.next


def define(base: int = 0) -> str:
    """Return the statements that define the functions, with a base.

    `events_current_transaction()` returns the number of the current transaction. Every transaction with a number below
    `events_safe_before()` has ended, so that no more events can appear there.
    """
    return _DEFINITIONS.format(base=int(base))


def status() -> TransactionStatus:
    """Return the transaction numbers of the events and of the cluster."""
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
    """Raise the base so that new events are ordered after all existing ones. Returns by how much; 0 if it was not
    necessary.

    Writers wait for an instant. Cursors stay valid, since no event's number changes.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # A writer's first statement waits here, and is planned afterwards, with the functions as they then are.
        cursor.execute("LOCK TABLE events_stream IN EXCLUSIVE MODE")
        numbers = status()
        if not numbers.behind:
            return 0
        # From the oldest open transaction on: every event that is not written yet sorts after those that are.
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        (oldest,) = cursor.fetchone()
        cursor.execute(define(numbers.greatest + 1 - oldest))
        return numbers.greatest + 1 - numbers.next
