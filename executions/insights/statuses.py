"""Changes of the status of insights. Each is kept in the insight's history, with who made it, and announced."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from executions.insights import workspace_stream
from executions.insights.findings import Finding
from executions.models import HELD, Insight, InsightStatus
from workflow_platform.core.accounts.models import User

MISSES = 3
"""Looks in a row without the finding, after which it is no longer true."""
SETTLED = timedelta(days=7)
"""How long the same finding is not raised again after it was dismissed, or applied and checked."""
_ENDS = {InsightStatus.CLEARED, InsightStatus.DISMISSED, InsightStatus.CONFIRMED, InsightStatus.REFUTED}


@transaction.atomic
def found(finding: Finding) -> Insight | None:
    """Raise an insight, or refresh the open one. None: it was settled recently."""
    same = Insight.objects.filter(workspace=finding.workspace, key=finding.key)
    held = same.select_for_update().filter(status__in=HELD).first()
    now = timezone.now()
    values = {name: getattr(finding, name) for name in ("subject", "evidence", "figure", "action")}
    if held is not None:
        if held.status == InsightStatus.OPEN:
            Insight.objects.filter(pk=held.pk).update(**values, seen_at=now, misses=0)
        return held
    settled = (InsightStatus.DISMISSED, InsightStatus.CONFIRMED, InsightStatus.REFUTED)
    if same.filter(status__in=settled, changed_at__gte=now - SETTLED).exists():
        return None
    insight = Insight.objects.create(
        workspace_id=finding.workspace, workflow_id=finding.workflow, kind=finding.kind, key=finding.key, **values
    )
    workspace_stream.announce_raised(insight)
    return insight


def missed(insight: Insight) -> None:
    """Note that a look did not find an open insight again. After some it is cleared."""
    if insight.misses + 1 >= MISSES:
        change(insight, InsightStatus.CLEARED, expected={InsightStatus.OPEN})
    else:
        Insight.objects.filter(pk=insight.pk, status=InsightStatus.OPEN).update(misses=insight.misses + 1)


@transaction.atomic
def change(
    insight: Insight, status: InsightStatus, *, expected: set[InsightStatus], by: User | None = None, **fields: Any
) -> bool:
    """Give an insight another status. Returns False if its status is none of `expected` any more."""
    row = Insight.objects.select_for_update().get(pk=insight.pk)
    if row.status not in expected:
        return False
    now = timezone.now()
    row.status, row.changed_at = status, now
    if by is not None:
        row.by = by
    name = by.get_username() if by is not None else None
    row.history = [*row.history, {"status": status.value, "at": now.isoformat(), "by": name}]
    for field, value in fields.items():
        setattr(row, field, value)
    row.save()
    if status in _ENDS:
        workspace_stream.announce_cleared(row, status.value)
    return True
