"""One statement that says when each periodic task of the scheduler next has something to do.

Each package describes its own work with an expression, next to the sweep that does it: the earliest time at which the
sweep would find something, NULL if nothing waits for it. So an idle scheduler asks one question, not one for each task,
and knows until when it may sleep.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

from django.db import connection

_numbers = itertools.count(1)
PLAN_SECONDS = 60.0
"""How long the plan of the statement is kept: to plan it takes ten times as long as to run it, and tables grow."""


class DueWork:
    """Asks when work is due. For one thread."""

    def __init__(self, expressions: Mapping[str, str]) -> None:
        """`expressions` are SQL of ours: a time by the name of a task."""
        self._names = list(expressions)
        columns = ", ".join(
            f"extract(epoch FROM ({expression}) - statement_timestamp())::float8" for expression in expressions.values()
        )
        self._statement = f"SELECT {columns}"
        self._prepared, self._prepared_on, self._prepared_at = "", None, 0.0

    def seconds_until_due(self) -> dict[str, float]:
        """Return in how many seconds the work of each task is due, negative if it is overdue; without tasks for which
        nothing waits. Raises DatabaseError."""
        with connection.cursor() as cursor:
            if connection.connection is not self._prepared_on or time.monotonic() - self._prepared_at > PLAN_SECONDS:
                self._prepare(cursor)
            cursor.execute(f"EXECUTE {self._prepared}")
            row = cursor.fetchone()
        return {name: seconds for name, seconds in zip(self._names, row, strict=True) if seconds is not None}

    def _prepare(self, cursor: Any) -> None:
        if connection.connection is self._prepared_on:
            cursor.execute(f"DEALLOCATE {self._prepared}")
        self._prepared_on = None
        self._prepared = f"due_work_{next(_numbers)}"
        cursor.execute(f"PREPARE {self._prepared} AS {self._statement}")
        self._prepared_on, self._prepared_at = connection.connection, time.monotonic()
