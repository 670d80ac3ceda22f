"""The links of emails that stop them without a login: signed, for one user, and good for nothing else."""

from __future__ import annotations

from django.conf import settings
from django.core import signing
from django.urls import reverse

from workflow_platform.core.accounts.models import User

_SALT = "executions.notifications.unsubscribing"


def link_for(user: User) -> str:
    """Return the URL of the page that stops the emails of a user."""
    return (
        f"{settings.PUBLIC_URL}{reverse('notification-emails', args=[signing.Signer(salt=_SALT).sign(str(user.pk))])}"
    )


def user_of(token: str) -> User | None:
    """Return the active user of a link; None if the link is not from an email of this platform."""
    try:
        return User.objects.filter(pk=int(signing.Signer(salt=_SALT).unsign(token)), is_active=True).first()
    except (signing.BadSignature, ValueError):
        return None
