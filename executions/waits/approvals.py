"""Approvals: who may decide, the decision, and its state."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from executions.models import Wait
from executions.waits import waits
from workflow_platform.core.accounts.models import Membership, Role, User

DECISIONS = ("approved", "rejected")
STATES = ("open", *DECISIONS, "expired", "withdrawn")
MAX_FIELDS_BYTES = 64 * 1024


class MayNotDecide(Exception):
    """The user may not decide this approval."""


def roles_of(user: User) -> dict[Any, Role]:
    """Return the user's role in each of their workspaces, by the workspace's id."""
    rows = Membership.objects.filter(user=user).values_list("workspace_id", "role")
    return {workspace: Role(role) for workspace, role in rows}


def may_decide(wait: Wait, user: User, roles: dict[Any, Role]) -> bool:
    """Return whether the user may decide: the assignee or an admin; without an assignee, any editor."""
    role = roles.get(wait.execution.workspace_id)
    if role is None or not user.is_active:
        return False
    if wait.assignee_id is not None:
        return wait.assignee_id == user.pk or role is Role.ADMIN
    return role in Role.EDITOR.and_above


def decide(wait: Wait, user: User, decision: str, comment: str = "", fields: dict[str, Any] | None = None) -> Wait:
    """Resolve the wait with the decision; `fields` are added to its items. Raises MayNotDecide, or NotWaiting if it is
    already decided or expired."""
    if not may_decide(wait, user, roles_of(user)):
        assignee = wait.assignee
        deciders = f"{assignee.get_username()} or an admin of the workspace" if assignee else "editors of the workspace"
        raise MayNotDecide(f"Only {deciders} can decide this approval.")
    outcome = {
        "decision": decision,
        "by": user.get_username(),
        "at": timezone.now().isoformat(),
        "comment": comment,
        "fields": fields or {},
    }
    return waits.resolve(wait.pk, outcome, by=user)


def listed(user: User, show: str) -> QuerySet[Wait]:
    """Return approvals that the user may see. `show` is `mine` (open ones that the user can decide), `open`, `decided`
    or `all`."""
    rows = Wait.objects.approvals().select_related("execution__workflow", "assignee", "resolved_by")
    if show == "mine":
        return rows.open().meant_for(user)
    rows = rows.visible_to(user)
    if show == "decided":
        return rows.filter(outcome__isnull=False)
    return rows.open() if show == "open" else rows


def state_of(wait: Wait) -> str:
    """Return `open`, `approved`, `rejected`, `expired`, or `withdrawn` if the execution ended first."""
    if wait.outcome is not None:
        return str(wait.outcome["decision"])
    expired = wait.expires_at is not None and wait.expires_at <= (wait.resolved_at or timezone.now())
    if wait.execution.ended_at is not None and not expired:
        return "withdrawn"
    return "expired" if expired or wait.resolved_at is not None else "open"
