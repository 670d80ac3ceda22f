"""Applies advice without a person, in workspaces that switched it on, and takes it back if it made things worse.

Only kinds that change nothing but time and cost, with more evidence than advice needs that a person reads, and at most
one change of a workflow a day, so that the outcome of each can be told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.utils import timezone

from executions.domain.graph import InvalidGraph
from executions.insights import applying, measures
from executions.models import Insight, InsightAutomation, InsightKind, InsightStatus, Workflow
from executions.nodes.registry import node_types
from workflow_platform.core.accounts import audit
from workflow_platform.core.accounts.models import AuditKind, User, Workspace
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable

logger = logging.getLogger(__name__)

EVERY = timedelta(days=1)
"""The shortest time between two automatic changes of a workflow."""
MOST = 100
LEAST_HIT_RATE = 0.5
LEAST_RUNS = 50
LEAST_TRIES = 30


def _is_sure_cache(insight: Insight) -> bool:
    """Return whether a cache certainly serves what the node would compute: it reads nothing outside either."""
    seen = insight.evidence
    enough = seen["n"] >= LEAST_RUNS and seen["hit_rate"] >= LEAST_HIT_RATE
    version = insight.workflow.latest_version if insight.workflow else None
    node = next((each for each in version.nodes if each["id"] == insight.subject["node"]), None) if version else None
    kind = node_types().get(node["type"]) if node else None
    return bool(enough and node and kind and kind.effect_of(node.get("parameters", {})) == "none")


def _is_sure_retry(insight: Insight) -> bool:
    """Return whether retries failed often enough to do without."""
    return bool(insight.evidence["tries"] >= LEAST_TRIES)


KINDS: dict[InsightKind, Callable[[Insight], bool]] = {
    InsightKind.CACHE_NODE: _is_sure_cache,
    InsightKind.RETRY_NEVER_HELPS: _is_sure_retry,
}
"""The kinds that may be applied automatically, and what is needed beyond the evidence of an advice."""


def kinds_of(workspace: Workspace) -> list[str]:
    """Return the kinds that the workspace has switched on."""
    row = InsightAutomation.objects.filter(workspace=workspace).first()
    return [kind for kind in KINDS if row is not None and kind in row.kinds]


@transaction.atomic
def switch(workspace: Workspace, kinds: Sequence[str], by: User) -> list[str]:
    """Switch on these kinds in the workspace and no others. Returns those that are on."""
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    before, after = kinds_of(workspace), [kind.value for kind in KINDS if kind in kinds]
    if after != before:
        if after:
            InsightAutomation.objects.update_or_create(workspace=workspace, defaults={"kinds": after})
        else:  # a workspace is empty, and can be deleted, without the row
            InsightAutomation.objects.filter(workspace=workspace).delete()
        audit.advice_changed(
            AuditKind.ADVICE_AUTOMATION, workspace.pk, by, workspace.name, kinds=_labels(after), before=_labels(before)
        )
    return after


def _labels(kinds: Sequence[str]) -> list[str]:
    return [InsightKind(kind).label for kind in kinds]


def advance(workflow: Workflow) -> None:
    """Take back what made the workflow worse, or apply one advice. What fails is logged and tried at the next look."""
    try:
        _take_back(workflow)
        _apply_one(workflow)
    except (applying.CannotApply, InvalidGraph, SandboxUnavailable, DatabaseError) as error:
        logger.warning(
            "advice not applied automatically: %s", error, extra={"task": "insights", "workflow_id": workflow.pk}
        )


def _take_back(workflow: Workflow) -> None:
    applied = Insight.objects.filter(
        workflow=workflow, automatic_at__isnull=False, status=InsightStatus.REFUTED,
        changed_at__gte=timezone.now() - EVERY,
    )  # fmt: skip
    for insight in applied[:MOST]:
        if measures.is_worse(insight.outcome or {}):
            applying.undo(insight, None)


def _apply_one(workflow: Workflow) -> None:
    kinds = kinds_of(workflow.workspace)
    if not kinds:
        return
    before = Insight.objects.filter(workflow=workflow, automatic_at__isnull=False)
    if before.filter(automatic_at__gte=timezone.now() - EVERY).exists():
        return
    tried = before.values("key")  # what was taken back once is for a person to decide
    rows = Insight.objects.filter(workflow=workflow, status=InsightStatus.OPEN, kind__in=kinds, action__isnull=False)
    for insight in rows.exclude(key__in=tried).select_related("workflow__latest_version").order_by("pk")[:MOST]:
        if KINDS[InsightKind(insight.kind)](insight):
            applying.apply(insight, None)
            return
