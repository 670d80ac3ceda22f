"""Emails with notifications: gathered, sent at most once to a real mail server, and left out where no longer wanted."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.test import Client
from django.utils import timezone

from executions.models import EmailState, Notification, NotificationEmail, NotificationKind, NotificationPreference
from executions.notifications import emails
from workflow_platform.core import jobs
from workflow_platform.core.accounts.invitation_emails import SMTP as SMTP_BACKEND
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace
from workflow_platform.installation.embedded import free_port

pytestmark = pytest.mark.django_db


class MailServer:
    """Takes mail; refuses recipients, or hangs up after it has the message, if told to."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refuse = ""
        self.hang_up = False

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        if self.hang_up:
            assert server.transport is not None
            server.transport.close()
        return "250 OK"


@pytest.fixture
def mail(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    server = MailServer()
    controller = Controller(server, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP_BACKEND, "127.0.0.1", controller.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.DEFAULT_FROM_EMAIL, settings.PUBLIC_URL = "platform@example.com", "https://platform.example.com"
    monkeypatch.setattr(jobs, "enqueue", lambda kind, ids: True)  # the test does the work
    yield server
    controller.stop()


@pytest.fixture
def user() -> User:
    user = User.objects.create_user("eve", "eve@example.com", "a-password-for-tests")
    workspace = Workspace.objects.create(slug="tests", name="Tests")
    Membership.objects.create(user=user, workspace=workspace, role=Role.EDITOR)
    NotificationPreference.objects.create(user=user, email="at_once")
    return user


def notify(user: User, subject: str, **further: Any) -> Notification:
    return Notification.objects.create(
        recipient=user, kind=NotificationKind.FAILED, workspace=Workspace.objects.get(), needs=Role.VIEWER,
        event_id=uuid4(), happened_at=timezone.now(), subject=subject, node="Stop", email_due_at=timezone.now(),
        **further,
    )  # fmt: skip


def deliver() -> list[NotificationEmail]:
    """Do what the scheduler and a worker do. Returns the emails, the oldest first."""
    emails.sweep()
    for email in NotificationEmail.objects.filter(ended_at=None):
        emails.work(email.pk, threading.Event())
    return list(NotificationEmail.objects.order_by("pk"))


def test_due_notifications_of_a_user_are_one_plain_email_that_says_how_to_switch_it_off(
    mail: MailServer, user: User
) -> None:
    notify(user, "Invoices\nBcc: other@example.com")
    notify(user, "Orders", in_page=False)
    (email,) = deliver()
    assert (email.state, email.attempts) == (EmailState.SENT, 1)
    deliver()
    (envelope,) = mail.envelopes
    assert envelope.rcpt_tos == ["eve@example.com"]
    assert isinstance(envelope.content, bytes)
    message: Any = message_from_bytes(envelope.content, policy=policy.default)
    assert message["subject"].strip() == "2 notifications: Invoices Bcc: other@example.com failed, …"
    assert str(email.pk) in message["message-id"]
    text = message.get_content()
    assert "Orders failed\r\nFailed at Stop.\r\nTests, " in text.replace("\r\n", "\n").replace("\n", "\r\n")
    assert "https://platform.example.com/account/#notifications" in text


def test_the_link_of_an_email_stops_them_without_a_login_and_only_when_it_is_posted(
    mail: MailServer, user: User, client: Client
) -> None:
    NotificationPreference.objects.update(emails={"workflow_failed": "hourly"})
    notify(user, "Invoices")
    deliver()
    content = mail.envelopes[0].content
    assert isinstance(content, bytes)
    message: Any = message_from_bytes(content, policy=policy.default)
    assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    link = re.sub(r"\s", "", message["list-unsubscribe"]).strip("<>")
    assert link in message.get_content()
    path = link.removeprefix("https://platform.example.com")
    assert b"Stop emails" in client.get(path).content
    assert NotificationPreference.objects.get().email == "at_once"
    strict = Client(enforce_csrf_checks=True)
    for forged in (path.replace("/emails/", "/emails/1"), "/notifications/emails/1/"):
        assert strict.post(forged).status_code == 404
    assert NotificationPreference.objects.get().email == "at_once"
    notify(user, "Orders")
    stopped = strict.post(path, {"List-Unsubscribe": "One-Click"})
    assert (stopped.status_code, b"No more notifications" in stopped.content) == (200, True)
    chosen = NotificationPreference.objects.get()
    assert (chosen.email, chosen.emails) == ("off", {})
    assert deliver()[-1].state == EmailState.SKIPPED


def test_what_is_not_due_yet_waits(mail: MailServer, user: User) -> None:
    row = notify(user, "Invoices")
    Notification.objects.filter(pk=row.pk).update(email_due_at=timezone.now() + timedelta(hours=1))
    assert deliver() == []


@pytest.mark.parametrize("change", ["read", "left", "off", "kind_off", "no_address", "inactive"])
def test_what_is_no_longer_wanted_is_not_sent(mail: MailServer, user: User, change: str) -> None:
    notify(user, "Invoices")
    if change == "read":
        Notification.objects.update(read_at=timezone.now())
    elif change == "left":
        Membership.objects.all().delete()
    elif change == "off":
        NotificationPreference.objects.update(email="off")
    elif change == "kind_off":
        NotificationPreference.objects.update(emails={"workflow_failed": "off"})
    else:
        User.objects.update(**({"email": ""} if change == "no_address" else {"is_active": False}))
    (email,) = deliver()
    assert (email.state, mail.envelopes) == (EmailState.SKIPPED, [])


def test_a_refusal_for_now_is_tried_again_later_and_one_for_good_is_not(mail: MailServer, user: User) -> None:
    notify(user, "Invoices")
    mail.refuse = "451 later"
    (email,) = deliver()
    assert (email.state, email.error) == (EmailState.QUEUED, "SMTPRecipientsRefused")
    assert email.due_at > timezone.now()
    (email,) = deliver()
    assert email.attempts == 1  # not due
    mail.refuse = "550 unknown"
    NotificationEmail.objects.update(due_at=timezone.now())
    (email,) = deliver()
    assert (email.state, email.attempts, mail.envelopes) == (EmailState.FAILED, 2, [])


def test_an_unreachable_server_is_tried_again(mail: MailServer, user: User, settings: Any) -> None:
    notify(user, "Invoices")
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    (email,) = deliver()
    assert email.state == EmailState.QUEUED
    settings.EMAIL_PORT = port
    NotificationEmail.objects.update(due_at=timezone.now())
    (email,) = deliver()
    assert (email.state, len(mail.envelopes)) == (EmailState.SENT, 1)


def test_an_email_that_may_have_been_accepted_is_never_sent_again(mail: MailServer, user: User) -> None:
    notify(user, "Invoices")
    mail.hang_up = True
    (email,) = deliver()
    assert email.state == EmailState.UNKNOWN
    deliver()
    assert len(mail.envelopes) == 1


def test_an_email_whose_worker_died_while_it_sent_it_is_never_sent_again(mail: MailServer, user: User) -> None:
    notify(user, "Invoices")
    emails.sweep()
    NotificationEmail.objects.update(state=EmailState.SENDING, claimed_at=timezone.now())
    (email,) = deliver()
    assert email.state == EmailState.SENDING  # its worker may live
    NotificationEmail.objects.update(claimed_at=timezone.now() - timedelta(hours=1))
    (email,) = deliver()
    assert (email.state, mail.envelopes) == (EmailState.UNKNOWN, [])
