"""Statements that PostgreSQL parses and plans once for each connection, for what every execution needs.

Planning a statement of several parts takes longer than running it. The parameters are sent apart from the text, so each
needs a type that PostgreSQL can tell (`%s::uuid[]`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection

from workflow_platform.core.postgresql.server import GuardedConnection

REPLAN_RUNS = 500
REPLAN_SECONDS = 20.0
"""Plans are made again after so many statements, and after this time. A table that was small when a plan was made may
have grown since, and PostgreSQL notices that only when it analyzes the table."""


def fetch(statement: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run a statement in the current transaction. Returns its rows."""
    with _cursor(statement) as cursor:
        cursor.execute(statement, parameters, prepare=True)
        return cursor.fetchall() if cursor.description else []


def run_each(statement: str, parameters: Sequence[Sequence[Any]]) -> None:
    """Run a statement for each of the parameters, in one round trip, in the current transaction."""
    with _cursor(statement) as cursor:
        cursor.executemany(statement, parameters)


@contextmanager
def _cursor(statement: str) -> Iterator[psycopg.Cursor[Any]]:
    connection.ensure_connection()
    raw: Any = connection.connection
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        _replan(raw, cursor)
        if isinstance(raw, GuardedConnection):
            raw.statement = statement
        yield cursor
        if isinstance(raw, GuardedConnection):
            raw.ran()


def _replan(raw: Any, cursor: psycopg.Cursor[Any]) -> None:
    now = time.monotonic()
    runs, planned_at = getattr(raw, "planned", (0, None))
    if planned_at is None:
        raw.prepare_threshold = 5  # None, as Django sets it, would turn preparing off
        planned_at = now
    elif runs >= REPLAN_RUNS or now - planned_at > REPLAN_SECONDS:
        cursor.execute("DISCARD PLANS")
        runs, planned_at = 0, now
    raw.planned = runs + 1, planned_at
