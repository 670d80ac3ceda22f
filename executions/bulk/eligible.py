"""The executions that an operation changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from executions.listing import Criteria, matching
from executions.models import BulkKind, Execution
from executions.reruns import START, RerunRequest

UNENDED = "unended"
"""The option of a deletion that says what becomes of executions that have not ended."""


def eligible(kind: BulkKind, workspace: UUID, criteria: Criteria, before: datetime) -> QuerySet[Execution]:
    """Return the executions that an operation begun at `before` is about: those queued until then that its kind can
    change."""
    until = min(criteria.until or before, before)
    rows = matching([workspace], criteria.model_copy(update={"until": until}))
    if kind == BulkKind.CANCEL:
        return rows.filter(ended_at__isnull=True, cancel_requested_at__isnull=True)
    return rows.filter(ended_at__isnull=False)


def rerun_request(options: Mapping[str, Any]) -> RerunRequest:
    """Return the rerun that the options of an operation describe."""
    return RerunRequest(
        options.get("from", START),
        options.get("version", "same"),
        priority=options.get("priority"),
        mode=options.get("mode"),
        choices=options.get("effects") or {},
    )
