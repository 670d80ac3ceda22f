"""Ends the sessions, JWTs and API tokens of a user."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY, update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from workflow_platform.core.accounts import audit
from workflow_platform.core.accounts.models import AuditKind, BrowserSession, TokenFamily, User


@transaction.atomic
def end_tokens(user: User, *, api_tokens: bool) -> int:
    """End all JWTs of the user and, if requested, all API tokens. Returns how many API tokens ended."""
    for family in user.token_families.filter(ended_at=None):
        family.end()
    ended = list(user.api_tokens.filter(revoked_at=None)) if api_tokens else []
    for token in ended:
        token.revoke()
        audit.token_changed(AuditKind.TOKEN_REVOKED, token, user)
    return len(ended)


@transaction.atomic
def end_sessions(user: User, *, api_tokens: bool) -> int:
    """End every session and JWT of the user on every device and, if requested, all API tokens. Returns how many of
    these."""
    user.sessions_ended_at = timezone.now()
    user.save(update_fields=["sessions_ended_at"])
    return end_tokens(user, api_tokens=api_tokens)


def end_others(user: User, kept_key: str | None) -> None:
    """Delete the user's browser sessions except the one with the key."""
    for row in BrowserSession.objects.filter(user=user).exclude(session_id=kept_key).select_related("session"):
        row.session.delete()


@transaction.atomic
def end_one(user: User, session_id: UUID) -> bool:
    """End the user's browser session or API login with this id. Returns whether there is one."""
    row = BrowserSession.objects.filter(user=user, pk=session_id).select_related("session").first()
    if row is not None:
        row.session.delete()  # with `delete` of the row, so that open connections are checked
        return True
    family = TokenFamily.objects.filter(user=user, pk=session_id, ended_at=None).first()
    if family is not None:
        family.end()
    return family is not None


def keep_this_session(request: HttpRequest, user: User) -> None:
    """Keep the session of the request, if it belongs to the user, under a new key after the others have ended."""
    session: Any = request.session
    if session.get(SESSION_KEY) == str(user.pk):
        request.user = user
        update_session_auth_hash(request, user)
        end_others(user, session.session_key)
    else:
        end_others(user, None)
