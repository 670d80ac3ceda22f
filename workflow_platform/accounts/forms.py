"""The login forms of the pages and of the admin, with the same limit on guesses as the API."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from workflow_platform.accounts.login_limit import record_failure, seconds_to_wait
from workflow_platform.client_address import client_address


class _Limited(AuthenticationForm):
    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": "That user name and password do not fit. Both mind upper and lower case."
    }

    def clean(self) -> dict[str, Any]:
        """Check name and password, unless there have been too many failures."""
        address = str(client_address(self.request.META) or "") if self.request else ""
        username = str(self.cleaned_data.get("username", ""))
        if seconds := seconds_to_wait(address, username):
            raise ValidationError(f"Too many attempts. Try again in {seconds:.0f} s.", code="throttled")
        try:
            return super().clean()
        except ValidationError:
            record_failure(address, username)
            raise


class LoginForm(_Limited):
    """For the pages."""


class AdminLoginForm(_Limited, AdminAuthenticationForm):
    """For the admin, which lets in staff alone."""
