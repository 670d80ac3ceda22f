"""JWTs of a login: a short access token, and a refresh token that is good for one use.

Each use of the refresh token gives the next one. A refresh token that comes a second time was copied, by a thief or
from one: the whole family ends, the access tokens too. A family lasts for seven days from the login.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from workflow_platform.core.accounts.known_devices import mark_of
from workflow_platform.core.accounts.models import TokenFamily, User
from workflow_platform.core.api.page_filters import uuid_or_none

PASSWORD_CLAIM = "pwd"  # noqa: S105 - the name of a claim
FAMILY_CLAIM = "family"
SWEPT = 1_000

T = TypeVar("T", bound=Token)


def issue(user: User) -> RefreshToken:
    """Begin a family. Returns its refresh token, whose `access_token` opens the API."""
    token: RefreshToken = RefreshToken.for_user(user)
    family = TokenFamily.objects.create(user=user, current=token["jti"], expires_at=_expiry(token))
    return _marked(token, user, family.pk)


def rotate(raw: str) -> RefreshToken | None:
    """Use a refresh token. Returns the next one; None if `raw` is invalid."""
    old = _verified(raw, RefreshToken)
    user = _user_of(old) if old is not None else None
    if old is None or user is None:
        return None
    family_id = _family_of(old) if FAMILY_CLAIM in old else _adopt(old, user)
    if family_id is None:
        return None
    new: RefreshToken = RefreshToken.for_user(user)
    new.payload["exp"] = old["exp"]
    families = TokenFamily.objects.filter(pk=family_id, user=user)
    # One statement, so that of two concurrent uses one fails.
    if families.filter(current=old["jti"], ended_at=None).update(current=new["jti"], used_at=timezone.now()):
        return _marked(new, user, family_id)
    for family in families:
        family.end()
    return None


def revoke(raw: str) -> None:
    """End the family of a refresh token, used or not. An invalid token has no effect."""
    token = _verified(raw, RefreshToken)
    user = _user_of(token) if token is not None else None
    if token is None or user is None:
        return
    family_id = _family_of(token) if FAMILY_CLAIM in token else _adopt(token, user)
    for family in TokenFamily.objects.filter(user=user, pk=family_id) if family_id is not None else ():
        family.end()


def user_of_access_token(raw: str) -> User | None:
    """Return the active user of an access token whose family has not ended."""
    token = _verified(raw, AccessToken)
    family_id = _family_of(token) if token is not None else None
    if token is None or family_id is None:
        return None
    family = TokenFamily.objects.select_related("user").filter(pk=family_id, ended_at=None).first()
    return family.user if family is not None and _stands_for(token, family.user) else None


def sweep() -> int:
    """Delete families whose tokens have all expired. Returns how many."""
    old = TokenFamily.objects.filter(expires_at__lte=timezone.now() - AccessToken.lifetime).order_by("expires_at")
    count, _ = TokenFamily.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:SWEPT])).delete()
    return count


def _verified(raw: str, kind: type[T]) -> T | None:
    """Return the token if it is signed by us, of this kind and not expired."""
    try:
        return kind(raw)  # type: ignore[arg-type]  # the stubs say Token
    except (TokenError, ValueError, TypeError, OverflowError, OSError):
        return None  # not only TokenErrors: a time outside of the calendar, a claim of another type


def _user_of(token: Token) -> User | None:
    user_id = str(token.payload.get(api_settings.USER_ID_CLAIM, ""))
    if not user_id.isascii() or not user_id.isdecimal() or len(user_id) > 18:
        return None
    user = User.objects.filter(pk=user_id).first()
    return user if user is not None and _stands_for(token, user) else None


def _stands_for(token: Token, user: User) -> bool:
    """Return whether a token belongs to the active user and was created with the current password."""
    mark = str(token.payload.get(PASSWORD_CLAIM, ""))
    same = str(token.payload.get(api_settings.USER_ID_CLAIM)) == str(user.pk)
    return same and user.is_active and hmac.compare_digest(mark.encode(), mark_of(user).encode())


def _marked(token: RefreshToken, user: User, family_id: UUID) -> RefreshToken:
    token[PASSWORD_CLAIM] = mark_of(user)
    token[FAMILY_CLAIM] = str(family_id)
    return token


def _family_of(token: Token) -> UUID | None:
    return uuid_or_none(str(token.payload.get(FAMILY_CLAIM, "")))


def _adopt(token: RefreshToken, user: User) -> UUID | None:
    """Create the family of a refresh token of an older version. Its id is that of the token, so that the token can be
    used only once."""
    family_id = uuid_or_none(str(token["jti"]))
    if family_id is not None:
        first = {"user": user, "current": token["jti"], "expires_at": _expiry(token)}
        TokenFamily.objects.get_or_create(pk=family_id, defaults=first)
    return family_id


def _expiry(token: Token) -> datetime:
    return datetime.fromtimestamp(token["exp"], UTC)
