"""Checks passwords, for logins and for changes of the password. No other module checks one."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest
from django.utils.translation import gettext_noop as _

from workflow_platform.core.accounts import audit, login_limit
from workflow_platform.core.accounts.browser_sessions import network_of
from workflow_platform.core.accounts.hashing import HashingBusy, preferred
from workflow_platform.core.accounts.known_devices import device_of
from workflow_platform.core.accounts.models import User
from workflow_platform.core.requests.client_address import client_address

WRONG_LOGIN = _("Wrong username or password.")
WRONG_CURRENT = "The current password is wrong."
LOGGED_IN = "logged_in_user"
"""The attribute of a request whose password was right: `LoginMiddleware` remembers the device of that user."""


def is_right(request: HttpRequest | None, username: str, user: User | None, password: str) -> bool:
    """Return whether the password is that of the active user. An unknown user takes as long as a known one.

    Raises TooManyAttempts before the password is checked, and HashingBusy if too many others wait.
    """
    address = client_address(request.META) if request is not None else None
    device = device_of(request, user)
    attempt = login_limit.begin(username, address, device)
    try:
        with preferred(device is not None):
            right = _hashed(user, password)
    except HashingBusy:
        attempt.give_back()
        raise
    if not right:
        audit.sign_in_failed(user, network_of(address))
    if right:
        attempt.give_back()
        if request is not None:
            setattr(request, LOGGED_IN, user)
    return right


def _hashed(user: User | None, password: str) -> bool:
    if user is None:
        make_password(password)
        return False
    return user.check_password(password) and user.is_active


class PasswordBackend(ModelBackend):
    """Django's users and permissions, with the limits on logins. Raises what `is_right` does."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the active user with this name and password."""
        username = username if username is not None else kwargs.get(User.USERNAME_FIELD)
        if username is None or password is None:
            return None
        user = User.objects.filter(username=username).first()
        return user if is_right(request, username, user, password) else None

    async def aauthenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Do the same in a thread: Django's version would check the password in the event loop, without limits."""
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)
