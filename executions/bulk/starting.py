"""What an operation would do, its start and its cancellation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Now
from django.utils import timezone

from executions.bulk import jobs as bulk_jobs
from executions.bulk.eligible import UNENDED, eligible, rerun_request
from executions.listing import Criteria, matching
from executions.listing.patience import limited
from executions.models import BulkKind, BulkOperation, BulkState, Workflow
from executions.reruns import MAX_PREVIEWED, ActingInBulk, preview_many
from workflow_platform.core.accounts.models import User

FIRST = 20
PATIENCE_MS = 3_000


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """What an operation would do if it started now."""

    count: int | None
    """None if there are too many to count."""
    by_status: dict[str, int]
    first_ids: list[UUID]
    nodes: list[ActingInBulk]
    """For a rerun: the nodes that would write or send again in the first MAX_PREVIEWED executions."""


def plan(kind: BulkKind, workspace: UUID, criteria: Criteria, options: Mapping[str, Any]) -> BulkPlan:
    """Return what an operation would do in the workspace."""
    rows = eligible(kind, workspace, criteria, timezone.now())
    counts = limited(lambda: dict(rows.values_list("status").annotate(Count("pk"))), PATIENCE_MS)
    shown = MAX_PREVIEWED if kind == BulkKind.RERUN else FIRST
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:shown])
    return BulkPlan(
        count=None if counts is None else sum(counts.values()),
        by_status=counts or {},
        first_ids=ids[:FIRST],
        nodes=preview_many(ids, rerun_request(options)) if kind == BulkKind.RERUN else [],
    )


def start(
    kind: BulkKind, workspace: UUID, criteria: Criteria, options: Mapping[str, Any], by: User, total: int | None
) -> BulkOperation:
    """Start an operation in a workspace; a job continues it after the commit. `total` is the count of its plan."""
    with transaction.atomic():
        now = timezone.now()
        operation = BulkOperation.objects.create(
            workspace_id=workspace,
            kind=kind,
            criteria=criteria.model_dump(mode="json", exclude_defaults=True),
            options=dict(options),
            total=total,
            created_by=by,
            created_at=now,
            queued_at=now,
        )
        transaction.on_commit(lambda: bulk_jobs.enqueue([operation.pk]))
    return operation


def start_deletion(workflow: Workflow, by: User) -> BulkOperation:
    """Start the deletion of all executions of a workflow that has just been deleted. Those that have not ended are
    cancelled first."""
    criteria = Criteria(workflow=workflow.pk)
    total = limited(matching([workflow.workspace_id], criteria).count, PATIENCE_MS)
    return start(BulkKind.DELETE, workflow.workspace_id, criteria, {UNENDED: "cancel"}, by, total)


def cancel(operation: BulkOperation) -> bool:
    """Stop an operation after the current slice. Returns False if it had ended. Finished slices stay."""
    running = BulkOperation.objects.filter(pk=operation.pk, state=BulkState.RUNNING)
    return bool(running.update(state=BulkState.CANCELLED, ended_at=Now()))
