"""Approvals: who may decide, and what a decision is."""

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
    """It is for somebody else to decide."""


def roles_of(user: User) -> dict[Any, Role]:
    """Return the user's role in each of their workspaces, by the workspace's id."""
    found = Membership.objects.filter(user=user).values_list("workspace_id", "role")
    return {workspace: Role(role) for workspace, role in found}


def may_decide(wait: Wait, user: User, roles: dict[Any, Role]) -> bool:
    """Tell whether it is the user's to decide: the assignee's or an admin's, any editor's where nobody is named."""
    role = roles.get(wait.execution.workspace_id)
    if role is None or not user.is_active:
        return False
    if wait.assignee_id is not None:
        return wait.assignee_id == user.pk or role is Role.ADMIN
    return role in Role.EDITOR.and_above


def decide(wait: Wait, user: User, decision: str, comment: str = "", fields: dict[str, Any] | None = None) -> Wait:
    """Have the node run go on with the decision; `fields` are added to its items. Raises MayNotDecide, or NotWaiting
    for a decision that comes second or too late."""
    if not may_decide(wait, user, roles_of(user)):
        named = wait.assignee
        whose = f"{named.get_username()} or an admin of the workspace" if named else "an editor of the workspace"
        raise MayNotDecide(f"This is for {whose} to decide.")
    outcome = {
        "decision": decision,
        "by": user.get_username(),
        "at": timezone.now().isoformat(),
        "comment": comment,
        "fields": fields or {},
    }
    return waits.resolve(wait.pk, outcome, by=user)


def listed(user: User, show: str) -> QuerySet[Wait]:
    """Return the approvals that `user` may see, with what is shown of them: `mine` are open and meant for them, `open`
    are all open ones, `decided` those with a decision, `all` every one."""
    found = Wait.objects.approvals().select_related("execution__workflow", "assignee", "resolved_by")
    if show == "mine":
        return found.open().meant_for(user)
    found = found.visible_to(user)
    if show == "decided":
        return found.filter(outcome__isnull=False)
    return found.open() if show == "open" else found


def state_of(wait: Wait) -> str:
    """Return `open`, `approved`, `rejected`, `expired`, or `withdrawn` where the execution ended before."""
    if wait.outcome is not None:
        return str(wait.outcome["decision"])
    expired = wait.expires_at is not None and wait.expires_at <= (wait.resolved_at or timezone.now())
    if wait.execution.ended_at is not None and not expired:
        return "withdrawn"
    return "expired" if expired or wait.resolved_at is not None else "open"
