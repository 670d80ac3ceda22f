"""The language of pages and emails: that of the account, else of the browser, else English."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from executions.models import Notification, NotificationEmail, NotificationKind, NotificationPreference
from executions.notifications import emails
from workflow_platform.core import jobs
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.STORAGES |= {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture
def user() -> User:
    user = User.objects.create_user("ada", "ada@example.com", "a-password-for-tests")
    workspace = Workspace.objects.create(name="Own", slug="own")
    Membership.objects.create(workspace=workspace, user=user, role=Role.ADMIN)
    return user


def browser(user: User, accepted: str = "") -> Client:
    client = Client(headers={"Accept-Language": accepted} if accepted else {})
    client.force_login(user)
    return client


def page(client: Client, path: str = "/account/") -> str:
    return client.get(path).content.decode()


@pytest.mark.parametrize(
    ("accepted", "language", "title"),
    [
        ("", "en", "Log in"),
        ("de-AT, en;q=0.5", "de", "Anmelden"),
        ("fr, de;q=0.4, en;q=0.2", "de", "Anmelden"),
        ("en, de;q=0.9", "en", "Log in"),
        ("fr", "en", "Log in"),
        ("*", "en", "Log in"),
    ],
)
def test_without_a_login_the_browser_decides(accepted: str, language: str, title: str) -> None:
    text = page(Client(headers={"Accept-Language": accepted}), "/login/")
    assert f'lang="{language}"' in text
    assert f"<title>{title} · Workflow platform</title>" in text


def test_the_choice_of_the_account_is_saved_and_counts_more_than_the_browser(user: User) -> None:
    client = browser(user, "en")
    assert "<h1>Account</h1>" in page(client)
    changed = client.patch("/api/account/", {"language": "de"}, content_type="application/json")
    assert changed.status_code == 200
    text = page(client)
    assert "<h1>Konto</h1>" in text
    assert 'lang="de"\n                selected' in text or 'lang="de" selected' in " ".join(text.split())
    refused = client.patch("/api/account/", {"language": "xx"}, content_type="application/json")
    assert refused.status_code == 400
    client.patch("/api/account/", {"language": ""}, content_type="application/json")
    assert "<h1>Account</h1>" in page(client)


def test_roles_scopes_and_the_audit_log_are_in_the_language_of_the_page(user: User) -> None:
    client = browser(user, "de")
    workspace = Workspace.objects.get()
    client.patch(f"/api/workspaces/{workspace.pk}/", {"name": "Unser"}, content_type="application/json")
    text = " ".join(page(client, f"/workspaces/{workspace.pk}/").split())
    assert "1 Mitglied · Sie sind Administrator" in text
    assert "Arbeitsbereich umbenannt</b> Unser hieß Own" in text
    assert "Betrachter" in text
    assert "sehen, was ein Betrachter sieht" in page(client, "/account/tokens/")


def test_errors_of_pages_are_translated_and_problems_of_the_api_are_not(user: User) -> None:
    client = browser(user, "de")
    assert "Seite nicht gefunden" in page(client, "/nowhere/")
    assert client.get("/api/nowhere/").json()["detail"] == "This does not exist, or you may not see it."
    wrong = Client(headers={"Accept-Language": "de"}).post("/login/", {"username": "ada", "password": "wrong"})
    assert "Falscher Benutzername oder falsches Passwort." in wrong.content.decode()


def test_the_bell_has_its_texts_in_the_language_of_the_request(user: User) -> None:
    notify(user)
    [note] = browser(user, "de").get("/api/notifications/").json()["results"]
    assert (note["title"], note["text"]) == ("Rechnungen ist fehlgeschlagen", "Fehlgeschlagen bei Stop.")
    assert note["kind"] == "workflow_failed"
    assert "Rechnungen ist fehlgeschlagen" in page(browser(user, "de"), "/notifications/")
    assert "Rechnungen failed" in page(browser(user), "/notifications/")


def test_notification_emails_are_in_the_language_of_the_account(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "enqueue", lambda kind, ids: True)  # the test does the work
    User.objects.filter(pk=user.pk).update(language="de")
    NotificationPreference.objects.create(user=user, email="at_once")
    notify(user, email_due_at=timezone.now())
    emails.sweep()
    emails.work(NotificationEmail.objects.get().pk, threading.Event())
    [message] = mail.outbox
    assert message.subject == "Rechnungen ist fehlgeschlagen"
    assert "Auswählen, welche E-Mails Sie erhalten: " in str(message.body)


def test_invitations_are_in_the_language_of_who_invites(user: User) -> None:
    client, workspace = browser(user, "de"), Workspace.objects.get()
    body = {"email": "bob@example.com", "role": "editor"}
    answer = client.post(f"/api/workspaces/{workspace.pk}/invitations/", body, content_type="application/json")
    assert answer.status_code == 201
    [message] = mail.outbox
    assert message.subject == "Einladung in Own"
    assert "ada lädt Sie in den Arbeitsbereich Own ein." in str(message.body)
    assert "Ihre Rolle: Bearbeiter: Workflows ändern und ausführen." in str(message.body)


def notify(user: User, **further: Any) -> None:
    Notification.objects.create(
        recipient=user, kind=NotificationKind.FAILED, workspace=Workspace.objects.get(), needs=Role.VIEWER,
        event_id=uuid4(), happened_at=timezone.now(), subject="Rechnungen", node="Stop",
        **further,
    )  # fmt: skip
