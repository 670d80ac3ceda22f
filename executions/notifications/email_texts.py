"""What an email with notifications says, in the language of its recipient: plain text, without data of items."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from executions.models import NotificationEmail
from executions.notifications import unsubscribing
from executions.notifications.inbox import ShownNotification
from workflow_platform.core.accounts.email_dates import date_and_time

MAX_LINE = 300


def message_of(email: NotificationEmail, notes: Sequence[ShownNotification]) -> EmailMessage:
    """Return the message. Its id is that of the row, so that a mail server can recognise it."""
    first = _one_line(notes[0].title)
    several = _("%(count)s notifications: %(first)s, …") % {"count": len(notes), "first": first}
    subject = first if len(notes) == 1 else several
    settings_url = f"{settings.PUBLIC_URL}/account/#notifications"
    why = _("You chose to get notifications by email.")
    change = _("Choose which emails you get: %(url)s") % {"url": settings_url}
    stop_url = unsubscribing.link_for(email.recipient)
    stop = _("Stop all of them, without signing in: %(url)s") % {"url": stop_url}
    all_of_them = _("All notifications: %(url)s") % {"url": f"{settings.PUBLIC_URL}/notifications/"}
    text = "\n\n".join(_entry(note) for note in notes) + f"\n\n-- \n{why}\n{change}\n{stop}\n{all_of_them}\n"
    headers = {
        "Message-ID": f"<{email.pk}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>",
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": f"<{stop_url}>",
    }
    if stop_url.startswith("https://"):  # RFC 8058 allows no other
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    sender = settings.DEFAULT_FROM_EMAIL or None
    return EmailMessage(subject, text, sender, [email.recipient.email], headers=headers)


def _entry(note: ShownNotification) -> str:
    workspace = note.row.workspace.name if note.row.workspace else ""
    about = f"{_one_line(workspace)}, {date_and_time(note.row.happened_at)} UTC"
    return f"{_one_line(note.title)}\n{_one_line(note.text)}\n{about}\n{settings.PUBLIC_URL}{note.url}"


def _one_line(text: str) -> str:
    """Return a text without line breaks, so that a name cannot add lines or headers to the message."""
    return " ".join(text.split())[:MAX_LINE]
