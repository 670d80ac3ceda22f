"""Emails with notifications: gathered for each user by a sweep, sent by a job, each at most once.

The state is committed before the attempt (`sending`) and after it. A worker that dies in between, or a connection that
breaks while the message is handed over, leaves `unknown`, which is not sent again: the notification is on the pages.
"""

from __future__ import annotations

import logging
import smtplib
import threading
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.mail import get_connection
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone, translation

from executions.models import EmailChoice, EmailState, Notification, NotificationEmail
from executions.notifications import email_texts, inbox, preferences
from workflow_platform.core import jobs
from workflow_platform.core.accounts.invitation_emails import is_configured
from workflow_platform.core.backoff import around, exponential

logger = logging.getLogger(__name__)

KIND = "notification_email"
AT_ONCE = 100
MOST_IN_EMAIL = 50
QUEUED_GRACE = timedelta(seconds=30)
"""A queued job that no worker takes within this time is queued again."""
LONGEST_ATTEMPT = timedelta(minutes=10)
"""An attempt that takes longer has lost its worker."""
MAX_ATTEMPTS = 10
FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 30.0, 3_600.0
NEXT_DUE = """
SELECT LEAST((SELECT min(email_due_at) FROM executions_notification WHERE email_due_at IS NOT NULL),
  (SELECT min(due_at) FROM executions_notificationemail WHERE ended_at IS NULL))
"""
"""When `sweep` has something to look at, as SQL."""


def sweep() -> None:
    """Gather due notifications into emails, queue jobs for due emails, and give up attempts of lost workers."""
    while _gather_next():
        pass
    now = timezone.now()
    lost = NotificationEmail.objects.filter(state=EmailState.SENDING, claimed_at__lt=now - LONGEST_ATTEMPT)
    lost.update(state=EmailState.UNKNOWN, ended_at=now, error="The worker was lost while it sent the email.")
    unqueued = Q(queued_at__isnull=True) | Q(queued_at__lte=now - QUEUED_GRACE)
    due = NotificationEmail.objects.filter(unqueued, state=EmailState.QUEUED, due_at__lte=now, ended_at=None)
    ids = list(due.order_by("due_at").values_list("pk", flat=True)[:AT_ONCE])
    if ids:
        NotificationEmail.objects.filter(pk__in=ids).update(queued_at=now)
        jobs.enqueue(KIND, ids)


@transaction.atomic
def _gather_next() -> bool:
    """Make the email of one user that has due notifications. Returns whether there was one."""
    due = Notification.objects.filter(email_due_at__lte=timezone.now()).select_for_update(skip_locked=True)
    first = due.order_by("email_due_at").first()
    if first is None:
        return False
    ids = list(due.filter(recipient=first.recipient_id).order_by("pk").values_list("pk", flat=True)[:MOST_IN_EMAIL])
    email = NotificationEmail.objects.create(recipient_id=first.recipient_id)
    Notification.objects.filter(pk__in=ids).update(email=email, email_due_at=None)
    return True


def work(email_id: UUID, stop: threading.Event) -> None:
    """Send an email, unless another worker has it."""
    now = timezone.now()
    free = NotificationEmail.objects.filter(pk=email_id, state=EmailState.QUEUED, due_at__lte=now)
    if not free.update(state=EmailState.SENDING, claimed_at=now, attempts=F("attempts") + 1):
        return
    email = NotificationEmail.objects.select_related("recipient").get(pk=email_id)
    rows = _wanted(email)
    if not rows or not email.recipient.email or not is_configured():
        _end(email, EmailState.SKIPPED)
        return
    with translation.override(email.recipient.language or settings.LANGUAGE_CODE):
        message = email_texts.message_of(email, inbox.shown(rows))
    connection = get_connection()
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        _not_accepted(email, error, permanent=False)
        return
    # From here on the state `sending` says that the message may have been accepted.
    message.connection = connection
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        _not_accepted(email, error, permanent=all(code >= 500 for code, _ in error.recipients.values()))
    except smtplib.SMTPResponseException as error:
        _not_accepted(email, error, permanent=error.smtp_code >= 500)
    except ValueError as error:  # an address that is none
        _not_accepted(email, error, permanent=True)
    except (OSError, smtplib.SMTPException) as error:  # it may have been accepted
        _end(email, EmailState.UNKNOWN, error)
    else:
        _end(email, EmailState.SENT)
    finally:
        connection.close()


def _wanted(email: NotificationEmail) -> list[Notification]:
    """Return the notifications that the recipient may still see, has not read, and still wants by email."""
    if not email.recipient.is_active:
        return []
    chosen = preferences.chosen_by_workspace(email.recipient)
    rows = Notification.objects.allowed_for(email.recipient).unread().filter(email=email, workspace__in=chosen)
    return [
        row
        for row in rows.order_by("pk").select_related("workspace")
        if row.workspace_id and chosen[row.workspace_id].email_for(row.kind) != EmailChoice.OFF
    ]


def _not_accepted(email: NotificationEmail, error: Exception, *, permanent: bool) -> None:
    """Try again later what the mail server has certainly not accepted; give up what it refuses for good."""
    if permanent or email.attempts >= MAX_ATTEMPTS:
        _end(email, EmailState.FAILED, error)
        return
    delay = around(exponential(email.attempts, FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS), 0.2)
    due_at = timezone.now() + timedelta(seconds=delay)
    logger.warning("email of notifications not sent: %s; retrying in %.0f s", type(error).__name__, delay)
    attempt = NotificationEmail.objects.filter(pk=email.pk, state=EmailState.SENDING)
    attempt.update(state=EmailState.QUEUED, due_at=due_at, queued_at=None, error=type(error).__name__)


def _end(email: NotificationEmail, state: EmailState, error: Exception | None = None) -> None:
    if error is not None:
        logger.warning("email of notifications ended as %s: %s", state, type(error).__name__)
    attempt = NotificationEmail.objects.filter(pk=email.pk, state=EmailState.SENDING)
    attempt.update(state=state, ended_at=timezone.now(), error=type(error).__name__ if error else "")
