"""How many executions match, up to a number, within a time."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from executions.listing.criteria import Criteria
from executions.listing.patience import limited
from executions.listing.selection import matching

MAX_COUNTED = 10_000
PATIENCE_MS = 250


def count_up_to(workspaces: Sequence[UUID], criteria: Criteria, most: int = MAX_COUNTED) -> int | None:
    """Return the number of matching executions, or `most` + 1 if there are more; None if counting takes too long."""
    if not workspaces:
        return 0
    rows = matching(workspaces, criteria).values("pk")[: most + 1]
    return limited(rows.count, PATIENCE_MS)
