"""Bearer tokens: API tokens and JWT access tokens, over HTTP and over WebSockets alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from workflow_platform.core.accounts import refresh_tokens
from workflow_platform.core.accounts.models import TOKEN_PREFIX, ApiToken, User

LONGEST_TOKEN = 4096
LAST_USED_RESOLUTION = timedelta(minutes=1)


def authenticate_bearer(raw: str) -> User | None:
    """Return the active user whom `raw`, an API token or a JWT access token, stands for; None if it opens nothing.

    An API token is looked up by its digest: the same one query whether it is unknown, revoked or expired.
    """
    if not raw or len(raw) > LONGEST_TOKEN or not raw.isascii():
        return None
    if raw.startswith(TOKEN_PREFIX):
        return _user_of_api_token(raw)
    return refresh_tokens.user_of_access_token(raw)


def _user_of_api_token(raw: str) -> User | None:
    token = ApiToken.objects.select_related("user").filter(digest=ApiToken.digest_of(raw)).first()
    if token is None or not token.usable:
        return None
    _note_use(token)
    return token.user


def _note_use(token: ApiToken) -> None:
    """Write `last_used_at`, at most once a minute: a busy client would otherwise rewrite the row with each request."""
    now = timezone.now()
    stale = now - LAST_USED_RESOLUTION
    if token.last_used_at is None or token.last_used_at < stale:
        due = Q(last_used_at__isnull=True) | Q(last_used_at__lt=stale)
        ApiToken.objects.filter(due, pk=token.pk).update(last_used_at=now)


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`. Another scheme, or no header, is left to the next authentication class."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        """Return the user. Raises `AuthenticationFailed` (401) for a bearer token that opens nothing."""
        scheme, _, raw = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        user = authenticate_bearer(raw.strip())
        if user is None:
            raise AuthenticationFailed("The bearer token is unknown, expired or revoked.")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that a 401 carries."""
        return 'Bearer realm="workflow-platform"'
