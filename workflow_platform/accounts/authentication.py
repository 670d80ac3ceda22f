"""Bearer tokens: API tokens and JWT access tokens, over HTTP and over WebSockets alike."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any, TypeVar

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from workflow_platform.accounts.models import TOKEN_PREFIX, ApiToken, User

LONGEST_TOKEN = 4096
LAST_USED_RESOLUTION = timedelta(minutes=1)
PASSWORD_CLAIM = "pwd"  # noqa: S105 - the name of a claim


def authenticate_bearer(raw: str) -> User | None:
    """Return the active user whom `raw`, an API token or a JWT access token, stands for; None if it opens nothing.

    An API token is looked up by its digest: the same one query whether it is unknown, revoked or expired.
    """
    if not raw or len(raw) > LONGEST_TOKEN or not raw.isascii():
        return None
    if raw.startswith(TOKEN_PREFIX):
        return _user_of_api_token(raw)
    token = verified_jwt(AccessToken, raw)
    return None if token is None else user_of_jwt(token)


J = TypeVar("J", bound=Token)


def verified_jwt(kind: type[J], raw: str) -> J | None:
    """Return the JWT of a kind that `raw` is; None where its signature or one of its claims does not hold."""
    try:
        return kind(raw)  # type: ignore[arg-type]  # the stubs say Token
    except (TokenError, ValueError, TypeError, OverflowError, OSError):
        # Not all are TokenErrors: a time out of the calendar's range, a claim of another type.
        return None


def tokens_for(user: User) -> RefreshToken:
    """Return a new refresh token, whose `access_token` opens the API. Both die when the password changes."""
    token: RefreshToken = RefreshToken.for_user(user)
    token[PASSWORD_CLAIM] = _password_mark(user)
    return token


def user_of_jwt(token: Token) -> User | None:
    """Return the active user of a verified JWT; None if there is none, or the password has changed since."""
    user_id = str(token.payload.get(api_settings.USER_ID_CLAIM, ""))
    if not user_id.isascii() or not user_id.isdecimal() or len(user_id) > 18:
        return None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return None
    mark = str(token.payload.get(PASSWORD_CLAIM, ""))
    # As bytes: of text, it compares only ASCII.
    return user if hmac.compare_digest(mark.encode(errors="replace"), _password_mark(user).encode()) else None


def _password_mark(user: User) -> str:
    # Keyed with SECRET_KEY by Django, hence of no use for guessing the password.
    return user.get_session_auth_hash()[:32]


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
