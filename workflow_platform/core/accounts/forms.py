"""Forms with passwords: the logins of the pages and of the admin, and the password changes of the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AdminPasswordChangeForm, AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from workflow_platform.core.accounts import passwords
from workflow_platform.core.accounts.login_limit import REFUSED, refusal_text
from workflow_platform.core.accounts.login_middleware import REFUSAL
from workflow_platform.core.accounts.models import User
from workflow_platform.core.accounts.sessions import end_tokens


class _Limited(AuthenticationForm):
    error_messages = AuthenticationForm.error_messages | {"invalid_login": gettext_lazy(passwords.WRONG_LOGIN)}

    def clean(self) -> dict[str, Any]:
        """Check name and password. Raises an error after too many attempts."""
        try:
            return super().clean()
        except REFUSED as refusal:
            if self.request is not None:
                setattr(self.request, REFUSAL, refusal)
            raise ValidationError(refusal_text(refusal), code=refusal.default_code) from None


class LoginForm(_Limited):
    """The login of the pages."""


class AdminLoginForm(_Limited, AdminAuthenticationForm):
    """The login of the admin, for staff only."""


def _end_tokens_field() -> forms.BooleanField:
    return forms.BooleanField(
        label="End API tokens too",
        required=False,
        initial=True,
        help_text="Sessions and JWTs always end with the old password. API tokens stay valid unless this is selected.",
    )


class OwnPasswordForm(PasswordChangeForm):
    """A staff member's change of their own password in the admin. Attempts are limited by `request`."""

    end_tokens = _end_tokens_field()

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_old_password(self) -> str:
        """Check the old password. Raises what `passwords.is_right` raises; `LoginMiddleware` responds."""
        password = str(self.cleaned_data["old_password"])
        if not passwords.is_right(self._request, self.user.username, self.user, password):
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return password

    def save(self, commit: bool = True) -> User:
        """Save the password and end the tokens."""
        user = super().save(commit)
        end_tokens(user, api_tokens=self.cleaned_data["end_tokens"])
        return user


class UserPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # not generic when it runs
    """A staff member's change of another user's password."""

    end_tokens = _end_tokens_field()

    def save(self, commit: bool = True) -> User:
        """Save the password and end the tokens."""
        user: User = super().save(commit)
        end_tokens(user, api_tokens=self.cleaned_data["end_tokens"])
        return user
