"""Failed executions grouped by their cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max, Min, TextField
from django.db.models.functions import Cast

from executions.domain.failure_causes import FailureCause
from executions.listing.criteria import Criteria
from executions.listing.patience import limited
from executions.listing.selection import matching
from executions.models import Execution

MAX_GROUPS = 100
PATIENCE_MS = 2_000


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The failures of one cause."""

    id: str
    cause: FailureCause
    count: int
    workflow: UUID
    workflow_name: str
    first: Execution
    last: Execution

    @property
    def message(self) -> str:
        """Return the message of the last failure."""
        return str((self.last.error or {}).get("message") or "The execution took too long.")

    @property
    def first_seen(self) -> datetime:
        """Return when the first of them was queued."""
        return self.first.queued_at

    @property
    def last_seen(self) -> datetime:
        """Return when the last of them was queued."""
        return self.last.queued_at


def failure_groups(workspaces: Sequence[UUID], criteria: Criteria) -> list[FailureGroup] | None:
    """Return the groups of the failures that match, the largest first, at most MAX_GROUPS; None if grouping takes too
    long: then the time should be narrowed."""
    if not workspaces:
        return []
    failures = matching(workspaces, criteria).exclude(cause="").values("cause", "workflow")
    as_text = Cast("pk", TextField())  # PostgreSQL has no min(uuid) before version 18
    groups = failures.annotate(count=Count("pk"), first=Min(as_text), last=Max(as_text)).order_by("-count", "-last")
    found = limited(lambda: list(groups[:MAX_GROUPS]), PATIENCE_MS)
    if found is None:
        return None
    for group in found:
        group |= {"first": UUID(group["first"]), "last": UUID(group["last"])}
    ids = {group[end] for group in found for end in ("first", "last")}
    rows = Execution.objects.select_related("workflow").only("queued_at", "error", "workflow__name").in_bulk(ids)
    return [
        FailureGroup(
            group["cause"],
            FailureCause.of_end(rows[group["last"]].error),
            group["count"],
            group["workflow"],
            rows[group["last"]].workflow.name,
            rows[group["first"]],
            rows[group["last"]],
        )
        for group in found
        if group["first"] in rows and group["last"] in rows
    ]
