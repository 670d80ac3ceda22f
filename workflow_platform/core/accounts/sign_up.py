"""Accounts for invited people: the link of an invitation by email lets a person create one (INVITED_SIGN_UP)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy
from rest_framework.exceptions import NotFound

from workflow_platform.core.accounts import invitations, login_limit
from workflow_platform.core.accounts.login_limit import REFUSED, refusal_text
from workflow_platform.core.accounts.login_middleware import REFUSAL
from workflow_platform.core.accounts.models import Invitation, User
from workflow_platform.core.requests.client_address import client_address

TAKEN = gettext_lazy("This username is taken. Choose another one, or log in if it is yours.")


def is_offered(invitation: Invitation) -> bool:
    """Return whether a person without an account can accept the invitation. One to a username is for an account."""
    return bool(settings.INVITED_SIGN_UP and invitation.email)


class InvitedSignUpForm(forms.Form):
    """The account of an invited person. The email address is that of the invitation."""

    username = forms.CharField(max_length=150, validators=[UnicodeUsernameValidator()])
    password = forms.CharField(max_length=1024, strip=False, widget=forms.PasswordInput)

    def __init__(self, *args: Any, request: HttpRequest, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request, self._invitation = request, invitation

    def clean(self) -> dict[str, Any]:
        """Check that the username is free and the password good. Attempts are limited like logins."""
        values = super().clean() or {}
        if self.errors:
            return values
        try:
            login_limit.begin(f"invitation {self._invitation.pk}", client_address(self._request.META), None)
        except REFUSED as refusal:
            setattr(self._request, REFUSAL, refusal)
            raise forms.ValidationError(refusal_text(refusal), code=refusal.default_code) from None
        user = User(username=User.normalize_username(values["username"]), email=self._invitation.email)
        if User.objects.filter(username=user.username).exists():
            self.add_error("username", TAKEN)
        try:
            validate_password(values["password"], user)
        except forms.ValidationError as error:
            self.add_error("password", error)
        return values

    def save(self, token: str) -> User | None:
        """Create the account as a member of the workspace; None, with an error, if the link or the name has been used
        meanwhile."""
        values = self.cleaned_data
        try:
            password = make_password(values["password"])  # outside of the transaction: it takes its time
        except REFUSED as refusal:
            setattr(self._request, REFUSAL, refusal)
            self.add_error(None, refusal_text(refusal))
            return None
        name = User.normalize_username(values["username"])
        try:
            with transaction.atomic():
                user = User.objects.create(username=name, email=self._invitation.email, password=password)
                invitations.accept(token, user)
        except IntegrityError:
            self.add_error("username", TAKEN)
            return None
        except NotFound as refusal:
            self.add_error(None, gettext(str(refusal.detail)))
            return None
        return user
