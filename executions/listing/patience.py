"""Queries that may take only so long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection, transaction

T = TypeVar("T")
_CANCELLED = "57014"
"""PostgreSQL's code of a statement that was cancelled."""


def limited(query: Callable[[], T], milliseconds: int) -> T | None:
    """Return the result of a query; None if it takes longer."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {milliseconds:d}")
            result = query()
            with connection.cursor() as cursor:  # the transaction may be that of a caller
                cursor.execute("SET LOCAL statement_timeout = DEFAULT")
            return result
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _CANCELLED:
            raise
        return None
