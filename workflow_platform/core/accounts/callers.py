"""The caller of a view outside of the REST framework."""

from __future__ import annotations

from django.http import HttpRequest

from workflow_platform.core.accounts.authentication import authenticate_bearer
from workflow_platform.core.accounts.models import User


def caller_of(request: HttpRequest) -> User | None:
    """Return the user of the bearer token or, without one, of the session; None if there is neither."""
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return authenticate_bearer(raw.strip())
    user = request.user
    return user if isinstance(user, User) and user.is_active else None
