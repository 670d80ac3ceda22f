"""What a request needs of an API token: `read` for safe methods, and what its view says for the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from workflow_platform.core.accounts.models import TokenScope

ELSE = "else"
"""The key of `token_scopes` for every other action of a view that changes something."""


class HasTokenScope(BasePermission):
    """Refuses an API token without the scope of the request. A view names the scopes of what it changes in
    `token_scopes`, by action or method; what it does not name needs `admin`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True. Raises PermissionDenied (403) that names the scope."""
        scope: TokenScope | None = getattr(request.user, "token_scope", None)
        if scope is None:
            return True
        needed = needed_scope(request.method or "", view)
        if not scope.includes(needed):
            raise PermissionDenied(
                f"This needs an API token with the scope {needed.value}; this one has {scope.value}."
            )
        return True


def needed_scope(method: str, view: Any) -> TokenScope:
    """Return the scope that a request with the method to a view needs."""
    if method in SAFE_METHODS:
        return TokenScope.READ
    named: Mapping[str, TokenScope] = getattr(view, "token_scopes", {})
    action = getattr(view, "action", None) or method.lower()
    return named.get(action, named.get(ELSE, TokenScope.ADMIN))
