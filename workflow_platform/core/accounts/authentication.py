"""Bearer tokens: API tokens and JWT access tokens, over HTTP and WebSockets."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from workflow_platform.core.accounts import refresh_tokens
from workflow_platform.core.accounts.models import TOKEN_PREFIX, ApiToken, User
from workflow_platform.core.last_used import note_use

LONGEST_TOKEN = 4096


def authenticate_bearer(raw: str) -> User | None:
    """Return the active user of `raw`, an API token or a JWT access token; None if it is not valid. The user of an API
    token has its `token_scope`.

    An API token is looked up by its digest, with the same query whether it is unknown, revoked or expired.
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
    note_use(token)
    token.user.token_scope = token.scope
    return token.user


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`. Another scheme, or no header, is left to the next authentication class."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        """Return the user. Raises `AuthenticationFailed` (401) for an invalid bearer token."""
        scheme, _, raw = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        user = authenticate_bearer(raw.strip())
        if user is None:
            raise AuthenticationFailed("The bearer token is unknown, expired or revoked.")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 response."""
        return 'Bearer realm="workflow-platform"'
