"""What an email with notifications says: plain text, without data of items."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage

from executions.models import NotificationEmail
from executions.notifications.inbox import ShownNotification

MAX_LINE = 300


def message_of(email: NotificationEmail, notes: Sequence[ShownNotification]) -> EmailMessage:
    """Return the message. Its id is that of the row, so that a mail server can recognise it."""
    first = _one_line(notes[0].title)
    subject = first if len(notes) == 1 else f"{len(notes)} notifications: {first}, …"
    settings_url = f"{settings.PUBLIC_URL}/account/#notifications"
    text = "\n\n".join(_entry(note) for note in notes) + (
        "\n\n-- \nYou chose to get notifications by email."
        f"\nChange this or switch it off: {settings_url}\nAll notifications: {settings.PUBLIC_URL}/notifications/\n"
    )
    headers = {
        "Message-ID": f"<{email.pk}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>",
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": f"<{settings_url}>",
    }
    sender = settings.DEFAULT_FROM_EMAIL or None
    return EmailMessage(subject, text, sender, [email.recipient.email], headers=headers)


def _entry(note: ShownNotification) -> str:
    workspace = note.row.workspace.name if note.row.workspace else ""
    about = f"{_one_line(workspace)}, {note.row.happened_at:%d %B %Y, %H:%M} UTC"
    return f"{_one_line(note.title)}\n{_one_line(note.text)}\n{about}\n{settings.PUBLIC_URL}{note.url}"


def _one_line(text: str) -> str:
    """Return a text without line breaks, so that a name cannot add lines or headers to the message."""
    return " ".join(text.split())[:MAX_LINE]
