"""Lookups of objects that a caller names."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404

from workflow_platform.core.accounts.models import Role, User, Workspace, WorkspaceQuerySet, WorkspaceScopedQuerySet

M = TypeVar("M", bound=models.Model)


@overload
def get_visible_or_404(
    queryset: WorkspaceQuerySet, user: User | object, role: Role = ..., **lookup: Any
) -> Workspace: ...


@overload
def get_visible_or_404(
    queryset: WorkspaceScopedQuerySet[M], user: User | object, role: Role = ..., **lookup: Any
) -> M: ...


def get_visible_or_404(queryset: Any, user: User | object, role: Role = Role.VIEWER, **lookup: Any) -> Any:
    """Return the row if the caller has `role` for it. Raises Http404 if they may not see it (or the lookup is invalid,
    such as an id that is no UUID), and PermissionDenied if they may see it but do not have `role`."""
    try:
        row = queryset.visible_to(user).filter(**lookup).first()
    except (ValidationError, ValueError):
        raise Http404 from None
    if row is None:
        raise Http404
    if role is not Role.VIEWER and not queryset.visible_to(user, role).filter(pk=row.pk).exists():
        raise PermissionDenied(refused(user, role))
    return row


def refused(user: User | object, role: Role) -> str:
    """Return what a caller without a role in a workspace lacks: the role, or the scope of their API token."""
    scope = getattr(user, "token_scope", None)
    if scope is not None and role not in scope.roles:
        return f"This needs an API token with a higher scope than {scope.value}, and the role {role.value}."
    return f"This needs the role {role.value} in the workspace."
