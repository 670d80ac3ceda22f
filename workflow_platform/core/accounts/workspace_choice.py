"""The workspace of a new object: the one in the request, or the only one of the user. And the one that pages show."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework.exceptions import PermissionDenied, ValidationError

from workflow_platform.core.accounts.models import Membership, Role, User, Workspace

M = TypeVar("M", bound=Model)

LISTED = 20
_ARTICLES = {Role.VIEWER: "a viewer", Role.EDITOR: "an editor", Role.ADMIN: "an admin"}


def workspace_for(user: User, workspace_id: UUID | str | None, role: Role) -> Workspace:
    """Return the workspace of an API request that creates something.

    `workspace_id` is the id in the body. Raises ValidationError (400) if there is none and the user is a member of
    several workspaces, with any role, and PermissionDenied (403) if the user does not have `role`.
    """
    if workspace_id is None:
        memberships = Membership.objects.filter(user=user).select_related("workspace").order_by("workspace__name")
        workspaces = [membership.workspace for membership in memberships[: LISTED + 1]]
        if len(workspaces) > 1:
            raise ValidationError({"workspace": [_name_one(workspaces)]}, code="required")
        workspace_id = workspaces[0].pk if workspaces else None
    visible = Workspace.objects.visible_to(user, role)
    workspace = visible.filter(pk=workspace_id).first() if workspace_id is not None else None
    if workspace is None:
        raise PermissionDenied(f"workspace: you are not {_ARTICLES[role]} of any such workspace.")
    return workspace


def offered(user: User, role: Role) -> list[Workspace]:
    """Return the workspaces in which the user has `role`, for a selection on a page: the default first, then by
    name."""
    workspaces = Workspace.objects.visible_to(user, role).order_by("name", "id")
    return sorted(workspaces, key=lambda workspace: workspace.pk != user.default_workspace_id)


def shown_workspace(user: User) -> UUID | None:
    """Return the workspace that the user has chosen in the navigation, whose objects the lists show; None for all."""
    chosen = user.default_workspace_id
    return chosen if chosen and Workspace.objects.visible_to(user).filter(pk=chosen).exists() else None


def in_shown_workspace(rows: QuerySet[M], user: User) -> QuerySet[M]:
    """Return the rows of the workspace that the user has chosen in the navigation; all rows if that is all."""
    chosen = shown_workspace(user)
    return rows.filter(workspace_id=chosen) if chosen else rows


def _name_one(workspaces: list[Workspace]) -> str:
    shown = ", ".join(f"{workspace.pk} ({workspace.name})" for workspace in workspaces[:LISTED])
    more = ", …" if len(workspaces) > LISTED else ""
    return f"You are a member of several workspaces; name one of {shown}{more}."
