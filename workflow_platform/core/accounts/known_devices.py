"""Devices that a user has logged in from, by a signed cookie. It grants nothing; it only keeps another person's
guesses from counting against the owner of the account."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import constant_time_compare

from workflow_platform.core.accounts.models import User

COOKIE = "known_device"
SALT = "workflow_platform.accounts.known_devices"
KEPT_SECONDS = 365 * 24 * 3600
USERS_PER_DEVICE = 5


def device_of(request: HttpRequest | None, user: User | None) -> str | None:
    """Return the id of the device if the user has logged in from it since their last change of password."""
    if request is None or user is None:
        return None
    known = _read(request)
    mark = known["users"].get(str(user.pk), "")
    return str(known["device"]) if mark and constant_time_compare(mark, mark_of(user)) else None


def remember(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    """Set the cookie that makes the device known for this user, in addition to its other users."""
    known = _read(request)
    others = [(key, mark) for key, mark in known["users"].items() if key != str(user.pk)]
    known["users"] = dict([*others, (str(user.pk), mark_of(user))][-USERS_PER_DEVICE:])
    response.set_cookie(
        COOKIE,
        signing.dumps(known, salt=SALT),
        max_age=KEPT_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def mark_of(user: User) -> str:
    """Return a value that changes with the user's password and when they end all sessions. It does not help to guess
    the password: Django keys it with SECRET_KEY."""
    return user.get_session_auth_hash()[:32]


def _read(request: HttpRequest) -> dict[str, Any]:
    try:
        value = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=KEPT_SECONDS)
    except signing.BadSignature:
        return {"device": secrets.token_hex(16), "users": {}}
    return dict(value)
