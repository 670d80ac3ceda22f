"""A look at the workflows that did something since the last one: raises, refreshes, clears and follows up insights.

An idle platform costs two short queries. Of several schedulers, the one that moves `looked_at` does the look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from executions.insights import applying, automatic, platform_samples, statuses
from executions.insights.detectors import (
    batch_requests,
    cache_node,
    database_slow,
    endpoint_failing,
    lane_full,
    limit_too_low,
    parallel_branches,
    queue_starved,
    redis_slow,
    retry_never_helps,
    slow_node,
    unused_data,
)
from executions.insights.findings import Finding
from executions.insights.sample import WorkflowSample, sample
from executions.models import HELD, Insight, InsightKind, InsightLook, InsightQuerySet, InsightStatus, Workflow
from executions.rollups import reading
from executions.rollups.reading import RollupSpan

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
OVERLAP = timedelta(minutes=3)
"""The rollups are counted a little later, by the minute."""
MOST_AT_FIRST = timedelta(days=1)
KEPT = timedelta(days=180)
"""How long settled insights are kept."""
MOST_WORKFLOWS = 200
MOST_INSIGHTS = 1000
STATEMENT_MS = 3000

OF_WORKFLOWS: dict[InsightKind, Callable[[WorkflowSample], list[Finding] | None]] = {
    InsightKind.CACHE_NODE: cache_node.detect,
    InsightKind.LIMIT_TOO_LOW: limit_too_low.detect,
    InsightKind.SLOW_NODE: slow_node.detect,
    InsightKind.RETRY_NEVER_HELPS: retry_never_helps.detect,
    InsightKind.BATCH_REQUESTS: batch_requests.detect,
    InsightKind.PARALLEL_BRANCHES: parallel_branches.detect,
    InsightKind.UNUSED_DATA: unused_data.detect,
}
OF_ALL: dict[InsightKind, Callable[[], list[Finding] | None]] = {
    InsightKind.QUEUE_STARVED: queue_starved.detect,
    InsightKind.ENDPOINT_FAILING: endpoint_failing.detect,
    InsightKind.LANE_FULL: lane_full.detect,
    InsightKind.DATABASE_SLOW: database_slow.detect,
    InsightKind.REDIS_SLOW: redis_slow.detect,
}


def look_if_due() -> None:
    """Look if the last look was at least about EVERY_SECONDS ago."""
    now = timezone.now()
    InsightLook.objects.get_or_create(pk=1)
    with transaction.atomic():
        row = InsightLook.objects.select_for_update().get(pk=1)
        before = row.looked_at
        if before is not None and (now - before).total_seconds() < EVERY_SECONDS * 0.9:
            return
        row.looked_at = now
        row.save()
    look(max(before, now - MOST_AT_FIRST) if before else now - MOST_AT_FIRST)


def look(since: datetime) -> None:
    """Look at the workflows that did something since then, and at what belongs to no workflow."""
    span = RollupSpan((since - OVERLAP).astimezone(UTC), datetime.now(UTC) + timedelta(minutes=1))
    busy: list[UUID] = []
    with _bounded("workflows"):
        figures = reading.by_workflow(span, None)
        busy = sorted(figures, key=lambda each: -figures[each].queued)[:MOST_WORKFLOWS]
    workflows = Workflow.objects.filter(pk__in=busy, deleted_at__isnull=True)
    for workflow in workflows.select_related("latest_version", "workspace"):
        look_at(workflow)
    with _bounded("platform"):
        platform_samples.take()
    look_at_all()
    _clear_abandoned()
    _forget()


def look_at(workflow: Workflow) -> None:
    """Look at one workflow."""
    if workflow.latest_version is None:
        return
    recorded: WorkflowSample | None = None
    with _bounded("sample", workflow.pk):
        recorded = sample(workflow)
    if recorded is None:
        return
    for kind, detect in OF_WORKFLOWS.items():
        found: list[Finding] | None = None
        with _bounded(kind, workflow.pk):
            found = detect(recorded)
        if found is not None:
            _keep(found, _open().filter(kind=kind, workflow=workflow))
    for insight in Insight.objects.filter(workflow=workflow, status=InsightStatus.APPLIED)[:MOST_INSIGHTS]:
        with _bounded(insight.kind, workflow.pk):
            applying.follow_up(insight)
    automatic.advance(workflow)


def look_at_all() -> None:
    """Look at what belongs to no workflow."""
    for kind, detect in OF_ALL.items():
        found: list[Finding] | None = None
        with _bounded(kind):
            found = detect()
        if found is not None:
            _keep(found, _open().filter(kind=kind))


def _open() -> InsightQuerySet:
    return Insight.objects.filter(status=InsightStatus.OPEN)


def _keep(found: Collection[Finding], known: InsightQuerySet) -> None:
    keys = {(finding.workspace, finding.key) for finding in found}
    for insight in known[:MOST_INSIGHTS]:
        if (insight.workspace_id, insight.key) not in keys:
            statuses.missed(insight)
    for finding in found:
        statuses.found(finding)


def _clear_abandoned() -> None:
    """Clear the insights of deleted workflows."""
    for insight in _open().filter(workflow__deleted_at__isnull=False)[:MOST_INSIGHTS]:
        statuses.change(insight, InsightStatus.CLEARED, expected={InsightStatus.OPEN})


def _forget() -> None:
    """Delete insights that were settled long ago."""
    old = Insight.objects.exclude(status__in=HELD).filter(changed_at__lt=timezone.now() - KEPT).order_by()
    Insight.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:MOST_INSIGHTS])).delete()


@contextmanager
def _bounded(what: str, workflow: UUID | None = None) -> Iterator[None]:
    """Run statements of at most STATEMENT_MS each; a failure is logged, and the look goes on."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MS}")
            yield
    except DatabaseError as error:
        logger.warning(
            "insight not looked for: %s", error, extra={"task": f"insights: {what}", "workflow_id": workflow}
        )
