"""Applies the advice of an insight as a new workflow version, takes it back, and checks whether it helped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from executions.insights import measures, statuses
from executions.models import Insight, InsightKind, InsightStatus, Workflow, WorkflowVersion
from executions.workflows import definitions
from workflow_platform.core.accounts import audit
from workflow_platform.core.accounts.models import AuditKind, User

PATIENCE = timedelta(days=14)
"""After this time without enough executions, an applied advice is no longer checked."""


class CannotApply(Exception):
    """The advice cannot be applied or taken back: the message says why."""


def apply(insight: Insight, by: User | None) -> None:
    """Save the change as a new version of the workflow; without a user, the platform does it by itself. Raises
    CannotApply, InvalidGraph, Unavailable."""
    if insight.status != InsightStatus.OPEN or insight.action is None:
        why = "has no change to apply" if insight.action is None else f"is {insight.status}, not open"
        raise CannotApply(f"This insight {why}.")
    action = insight.action
    workflow, version = _latest(insight)
    definition = changed(version, action, action["before"], action["changes"])
    checked = definitions.check_ahead(workflow.workspace, definition, workflow)
    before = measures.measure(insight, since_version=version.number, until_version=version.number)
    outcome = {"measure": before.name, "before": before.as_dict(), "after": None}
    with transaction.atomic():
        saved = _save(workflow, version, definition, checked, by)
        fields: dict[str, Any] = {"version_before": version.number, "version_applied": saved, "outcome": outcome}
        if by is None:
            fields["automatic_at"] = timezone.now()
        expected = {InsightStatus.OPEN}
        if not statuses.change(insight, InsightStatus.APPLIED, expected=expected, by=by, **fields):
            raise CannotApply("This insight was changed in the meantime. Load it again.")
        _record(AuditKind.ADVICE_APPLIED, insight, by, saved)


def undo(insight: Insight, by: User | None) -> None:
    """Save a new version without the change; without a user, the platform does it by itself. Raises CannotApply,
    InvalidGraph, Unavailable."""
    expected = {InsightStatus.APPLIED, InsightStatus.CONFIRMED, InsightStatus.REFUTED}
    if insight.status not in expected or insight.action is None:
        raise CannotApply(f"This insight is {insight.status}; there is no change to undo.")
    action = insight.action
    workflow, version = _latest(insight)
    definition = changed(version, action, action["changes"], action["before"])
    checked = definitions.check_ahead(workflow.workspace, definition, workflow)
    with transaction.atomic():
        saved = _save(workflow, version, definition, checked, by)
        if not statuses.change(insight, InsightStatus.DISMISSED, expected=expected, by=by):
            raise CannotApply("This insight was changed in the meantime. Load it again.")
        _record(AuditKind.ADVICE_UNDONE, insight, by, saved)


@transaction.atomic
def dismiss(insight: Insight, by: User) -> None:
    """Dismiss an open insight. Raises CannotApply."""
    if not statuses.change(insight, InsightStatus.DISMISSED, expected={InsightStatus.OPEN}, by=by):
        raise CannotApply(f"This insight is {insight.status}; only open ones can be dismissed.")
    _record(AuditKind.ADVICE_DISMISSED, insight, by, None)


def _record(kind: AuditKind, insight: Insight, by: User | None, version: int | None) -> None:
    """Write the change to the audit log: of the workflow, or of what else the insight is about."""
    subject = str(insight.subject.get("name", ""))
    about = {"insight": str(insight.pk), "advice": InsightKind(insight.kind).label, "node": insight.subject.get("node")}
    workspace = insight.workspace_id or audit.NOWHERE
    audit.advice_changed(kind, workspace, by, subject, version=version, automatic=by is None, **about)


def follow_up(insight: Insight) -> None:
    """Compare an applied advice with what happened since."""
    assert insight.version_applied is not None
    assert insight.outcome is not None
    if not _is_in_place(insight):
        statuses.change(insight, InsightStatus.CLEARED, expected={InsightStatus.APPLIED})
        return
    after = measures.measure(insight, since_version=insight.version_applied)
    outcome = insight.outcome | {"after": after.as_dict()}
    expected = {InsightStatus.APPLIED}
    status = measures.verdict(outcome["before"]["value"], after)
    if status is not None and measures.is_worse(outcome):
        status = InsightStatus.REFUTED
    if status is not None:
        statuses.change(insight, status, expected=expected, outcome=outcome)
    elif insight.changed_at < timezone.now() - PATIENCE:
        statuses.change(insight, InsightStatus.CLEARED, expected=expected, outcome=outcome)
    else:
        Insight.objects.filter(pk=insight.pk, status=InsightStatus.APPLIED).update(outcome=outcome)


def _is_in_place(insight: Insight) -> bool:
    """Return whether the latest version of the workflow still has the change."""
    assert insight.action is not None
    try:
        _, version = _latest(insight)
        changed(version, insight.action, insight.action["changes"], insight.action["changes"])
    except CannotApply:
        return False
    return True


def changed(
    version: WorkflowVersion, action: dict[str, Any], old: dict[str, Any], new: dict[str, Any]
) -> dict[str, Any]:
    """Return the definition with the values `new` in place of `old`. Raises CannotApply if it has other values."""
    if action["type"] == "set_settings":
        return {"settings": _replaced(dict(version.settings), old, new, "The settings of the workflow")}
    nodes = [dict(node) for node in version.nodes]
    for index, node in enumerate(nodes):
        if node["id"] == action["node"]:
            nodes[index] = _replaced(node, old, new, f"The node {node['id']!r}")
            return {"nodes": nodes}
    raise CannotApply(f"The workflow no longer has the node {action['node']!r}.")


def _replaced(values: dict[str, Any], old: dict[str, Any], new: dict[str, Any], what: str) -> dict[str, Any]:
    for name, value in old.items():
        if values.get(name) != value:
            raise CannotApply(f"{what} changed in the meantime: `{name}` has another value. Nothing was saved.")
    merged = values | new
    return {name: value for name, value in merged.items() if value is not None or name not in new}


def _latest(insight: Insight) -> tuple[Workflow, WorkflowVersion]:
    rows = Workflow.objects.filter(insights=insight, deleted_at__isnull=True)
    workflow = rows.select_related("workspace", "latest_version").first()
    if workflow is None or workflow.latest_version is None:
        raise CannotApply("The workflow was deleted.")
    return workflow, workflow.latest_version


def _save(
    workflow: Workflow,
    version: WorkflowVersion,
    definition: dict[str, Any],
    checked: definitions.Checked,
    by: User | None,
) -> int:
    """Save the new version. Returns its number."""
    try:
        saved = definitions.save_workflow(
            workspace=workflow.workspace, definition=definition, by=by, workflow=workflow, checked=checked,
            base_version=version.number,
        )  # fmt: skip
    except definitions.StaleVersion as error:
        raise CannotApply(f"{error} Load the insight again.") from None
    assert saved.latest_version is not None
    return saved.latest_version.number
