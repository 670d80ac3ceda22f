"""Looking up what a caller names."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404

from workflow_platform.accounts.models import Role, User, WorkspaceScopedQuerySet

M = TypeVar("M", bound=models.Model)


def get_visible_or_404(
    queryset: WorkspaceScopedQuerySet[M], user: User | object, role: Role = Role.VIEWER, **lookup: Any
) -> M:
    """Return the row if the caller holds `role` for it. Raises Http404 where they may not even see it, and
    PermissionDenied where they may see it and not do what needs `role`."""
    row = queryset.visible_to(user).filter(**lookup).first()
    if row is None:
        raise Http404
    if role is not Role.VIEWER and not queryset.visible_to(user, role).filter(pk=row.pk).exists():
        raise PermissionDenied(f"This needs the role {role.value} in the workspace.")
    return row
