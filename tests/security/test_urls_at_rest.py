"""The query of a URL that the platform calls is nowhere in the database but where it is encrypted."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from events.replay.models import Replay, ReplayMode, ReplayTarget
from events.replay.url_target import UrlTarget
from tests.delivering import make_endpoint, make_workspace
from tests.engine import COMMITS
from tests.integration.test_pages import member
from tests.receiving import receiving
from tests.sending import make_delivery, sending
from tests.sending import make_endpoint as make_listening
from webhooks.endpoints import lifecycle
from webhooks.models import Delivery, Endpoint
from webhooks.outbox import AdHoc, create_ad_hoc
from webhooks.secrets import SealedSecrets
from workflow_platform.core.accounts.models import Role
from workflow_platform.core.secrets import encryption

PLANTED = "pl4nted-S3cret"
URLS = [
    f"http://127.0.0.2:9/hook?token={PLANTED}",
    f"http://127.0.0.2:9/hook?{PLANTED}",
    f"http://127.0.0.2:9/hook?a=1&{PLANTED}=",
    f"http://127.0.0.2:9/hook?a=1#{PLANTED}",
]
upgrade = importlib.import_module("webhooks.migrations.0005_queries_of_urls_are_sealed")


def stored() -> str:
    """Return every row of every table as text."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM \"{table}\" t")
            found.append(str(cursor.fetchone()[0]))
    return "\n".join(found)


def migrate() -> None:
    upgrade.seal(apps, SimpleNamespace(connection=connection))


@pytest.fixture(autouse=True)
def _allowed(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    settings.OUTBOUND_PORTS = ["1-65535"]


@pytest.fixture
def admin() -> Client:
    return member("admin", make_workspace(), Role.ADMIN)


@pytest.mark.django_db
@pytest.mark.parametrize("url", URLS)
def test_the_query_of_an_endpoint_is_sealed_and_shown_to_admins(admin: Client, url: str) -> None:
    body = {"url": url, "event_types": ["*"], "workspace": str(make_workspace().pk)}
    answer = admin.post("/api/webhooks/endpoints/", json.dumps(body), content_type="application/json")
    assert answer.status_code == 201, answer.content
    path = f"/api/webhooks/endpoints/{answer.json()['id']}/"
    assert PLANTED not in stored()
    assert admin.get(path).json()["url"] == url
    viewer = member("viewer", make_workspace(), Role.VIEWER)
    assert PLANTED not in viewer.get(path).content.decode()
    assert viewer.get(path).json()["url"].startswith("http://127.0.0.2:9/hook")
    row = Endpoint.objects.get()
    assert Endpoint.objects.filter(url__startswith="http://127.0.0.2:9/hook").get() == row
    # A change of something else, a rotated secret, and a URL that is sent back as it is shown keep the query.
    lifecycle.change(row, name="Another name")
    lifecycle.rotate_secret(row)
    lifecycle.change(row, url=row.url, auth={"type": "bearer", "token": PLANTED})
    assert admin.get(path).json()["url"] == url
    lifecycle.change(row, url="http://127.0.0.2:9/other")
    assert admin.get(path).json()["url"] == "http://127.0.0.2:9/other"
    lifecycle.change(row, url=url)
    assert PLANTED not in stored()
    lifecycle.delete(row, None)
    row.refresh_from_db()
    assert SealedSecrets.of(row.sealed) == SealedSecrets()


@pytest.mark.django_db
@pytest.mark.parametrize("url", URLS)
def test_the_query_of_an_ad_hoc_delivery_is_sealed(admin: Client, url: str) -> None:
    body = json.dumps({"url": url, "body": {"n": 1}, "idempotency_key": "one", "workspace": str(make_workspace().pk)})
    made = [admin.post("/api/webhooks/deliveries/", body, content_type="application/json") for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json()["id"] == made[1].json()["id"]
    assert PLANTED not in stored() + made[0].content.decode()
    other = body.replace(PLANTED, "another")
    assert admin.post("/api/webhooks/deliveries/", other, content_type="application/json").status_code == 422


@COMMITS
def test_what_is_sent_goes_to_the_whole_url_and_no_attempt_keeps_it() -> None:
    with receiving() as receiver, sending() as at_work:
        endpoint = make_listening(receiver.url)
        lifecycle.change(endpoint, url=f"{receiver.url}hook?token={PLANTED}")
        receiver.answer = lambda request: _echo(request.path)
        deliveries = [
            make_delivery(endpoint),
            *create_ad_hoc([AdHoc(workspace_id=endpoint.workspace_id, url=f"{receiver.url}adhoc?key={PLANTED}")]),
        ]
        at_work.until(delivered=2)
        assert sorted(request.path for request in receiver.requests) == [
            f"/adhoc?key={PLANTED}",
            f"/hook?token={PLANTED}",
        ]
    assert Delivery.objects.filter(pk__in=[each.pk for each in deliveries], status="delivered").count() == 2
    assert PLANTED not in stored()


def _echo(path: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nX-Was: {path}\r\nContent-Length: {len(path)}\r\n\r\n{path}".encode()


def _as_before(row: Any, column: str, url: str, **held: Any) -> None:
    """Write a row as an earlier release did: the URL whole, and nothing of it sealed."""
    sealed = encryption.encrypt(json.dumps(held).encode())
    type(row).objects.filter(pk=row.pk).update(**{"url": url, column: sealed})


@pytest.mark.django_db
@pytest.mark.parametrize("url", URLS)
def test_the_upgrade_seals_what_was_stored(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "CHUNK", 2)
    endpoints = [make_endpoint() for _ in range(5)]
    plain = make_endpoint(url="http://127.0.0.2:9/plain")
    (delivery,) = create_ad_hoc([AdHoc(workspace_id=plain.workspace_id, url="http://127.0.0.2:9/")])
    replay = Replay.objects.create(mode=ReplayMode.AT_ONCE, target=ReplayTarget.ENDPOINT, expires_at=timezone.now())
    shown = Replay.objects.create(
        mode=ReplayMode.AT_ONCE, target=ReplayTarget.ENDPOINT, expires_at=timezone.now(), url=plain.url
    )
    for row in (*endpoints, delivery):
        _as_before(row, "sealed", url, headers={"X-Key": "staple"})
    _as_before(replay, "secrets", url, headers={"X-Key": "staple"}, secret="of the receiver")
    before = bytes(plain.sealed)
    for _ in range(2):  # a second time changes nothing
        migrate()
        assert PLANTED not in stored()
        for row in (*endpoints, delivery):
            row.refresh_from_db()
            assert row.url.startswith("http://127.0.0.2:9/hook")
            assert SealedSecrets.of(row.sealed) == SealedSecrets(headers={"X-Key": "staple"}, url=url)
        replay.refresh_from_db()
        assert UrlTarget.of(replay) == UrlTarget(url, {"X-Key": "staple"}, "of the receiver")
    plain.refresh_from_db()
    shown.refresh_from_db()
    assert (bytes(plain.sealed), plain.url, shown.secrets) == (before, "http://127.0.0.2:9/plain", None)


@pytest.mark.django_db
def test_what_no_key_opens_is_left_by_the_upgrade_and_new_keys_are_taken(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    lost, kept = make_endpoint(), make_endpoint()
    _as_before(lost, "sealed", URLS[0])
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    _as_before(kept, "sealed", URLS[0])
    migrate()
    kept.refresh_from_db()
    lost.refresh_from_db()
    assert (lost.url, SealedSecrets.of(kept.sealed).url) == (URLS[0], URLS[0])
    new = Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [new, *settings.CREDENTIAL_KEYS]
    with pytest.raises(CommandError):  # one row is lost
        call_command("rotate_credential_keys")
    settings.CREDENTIAL_KEYS = [new]
    kept.refresh_from_db()
    assert SealedSecrets.of(kept.sealed).url == URLS[0]
