"""Sends the link of an invitation by email, if the platform can send email."""

from __future__ import annotations

import logging
import smtplib
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.utils.translation import gettext as _

from workflow_platform.core.accounts.email_dates import date_and_time
from workflow_platform.core.accounts.invitations import link
from workflow_platform.core.accounts.models import Invitation

logger = logging.getLogger(__name__)

SENT, FAILED, NOT_CONFIGURED, NO_ADDRESS = "sent", "failed", "not_configured", "no_address"
OUTCOMES = [
    (SENT, "The mail server accepted it"),
    (FAILED, "The mail server did not accept it"),
    (NOT_CONFIGURED, "The platform sends no email: pass the link on yourself"),
    (NO_ADDRESS, "The invitation is to a username"),
]
SMTP = "django.core.mail.backends.smtp.EmailBackend"
TIMEOUT_SECONDS = 10.0
"""A person waits for the response."""


def is_configured() -> bool:
    """Return whether the platform can send email: EMAIL_URL is set, or another backend than SMTP."""
    return bool(settings.EMAIL_HOST) or settings.EMAIL_BACKEND != SMTP


def send(invitation: Invitation, token: str) -> str:
    """Send the link to the invited address, in the language of who invites. Returns the outcome; a failure is logged
    without the link."""
    if not invitation.email:
        return NO_ADDRESS
    if not is_configured():
        return NOT_CONFIGURED
    options: dict[str, Any] = {"timeout": TIMEOUT_SECONDS} if settings.EMAIL_BACKEND == SMTP else {}
    try:
        message = _message(invitation, token)
        message.connection = get_connection(**options)
        message.send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        logger.warning("The email of the invitation %s was not sent: %s", invitation.pk, type(error).__name__)
        return FAILED
    return SENT


def _message(invitation: Invitation, token: str) -> EmailMessage:
    workspace = _one_line(invitation.workspace.name)
    sender = _one_line(invitation.invited_by.username)
    until = f"{date_and_time(invitation.expires_at)} UTC"
    offer = _("%(sender)s invites you to the workspace %(workspace)s.") % {"sender": sender, "workspace": workspace}
    role = _("Your role: %(role)s.") % {"role": _(invitation.get_role_display())}
    validity = _("The link works once, until %(until)s. If you do not expect it, ignore it.") % {"until": until}
    accept = _("Open this link to accept:")
    text = f"{offer}\n{role}\n\n{accept}\n{link(token)}\n\n{validity}\n"
    subject = _("Invitation to %(workspace)s") % {"workspace": workspace}
    return EmailMessage(subject, text, settings.DEFAULT_FROM_EMAIL or None, [invitation.email])


def _one_line(text: str) -> str:
    """Return a name without line breaks, so that it cannot add lines or headers to the message."""
    return " ".join(text.split())[:100]
