"""How many executions match, up to a number, within a time."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import OperationalError, connection, transaction

from executions.listing.criteria import Criteria
from executions.listing.selection import matching

MAX_COUNTED = 10_000
PATIENCE_MS = 250


def count_up_to(workspaces: Sequence[UUID], criteria: Criteria, most: int = MAX_COUNTED) -> int | None:
    """Return the number of matching executions, or `most` + 1 if there are more; None if counting takes too long."""
    if not workspaces:
        return 0
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {PATIENCE_MS}")
            count = matching(workspaces, criteria).values("pk")[: most + 1].count()
            with connection.cursor() as cursor:  # the transaction may be that of a caller
                cursor.execute("SET LOCAL statement_timeout = DEFAULT")
            return count
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != "57014":  # query_canceled
            raise
        return None
