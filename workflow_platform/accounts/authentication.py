"""Bearer authentication: an API token (`wfp_…`) or a JWT access token, for the API and the WebSocket alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from workflow_platform.accounts.models import TOKEN_PREFIX, ApiToken, User

LAST_USED_GRAIN = timedelta(minutes=1)


def authenticate_bearer(raw: str) -> User | None:
    """Return the user that a bearer token stands for, or None if it opens nothing (any more)."""
    if raw.startswith(TOKEN_PREFIX):
        token = ApiToken.objects.select_related("user").filter(digest=ApiToken.digest_of(raw)).first()
        if token is None or not token.usable:
            return None
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > LAST_USED_GRAIN:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user
    try:
        user = JWTAuthentication().get_user(AccessToken(raw))  # type: ignore[arg-type]
    except (TokenError, AuthenticationFailed):
        return None
    return user if isinstance(user, User) else None


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`; without the header, others may try."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        scheme, _, raw = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        user = authenticate_bearer(raw.strip())
        if user is None:
            raise AuthenticationFailed("The bearer token is not valid, has expired or was revoked.")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'
