"""Logging in and bearer tokens, against the real database and Redis."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from workflow_platform.core.accounts.authentication import authenticate_bearer
from workflow_platform.core.accounts.first_start import create_first_admin
from workflow_platform.core.accounts.login_limit import FAILURES_PER_ADDRESS, FAILURES_PER_NAME
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user(f"ada-{uuid.uuid4().hex[:8]}", password=PASSWORD)


@pytest.fixture
def client() -> APIClient:
    return APIClient(REMOTE_ADDR="2001:db8::1")


def log_in(client: APIClient, user: User) -> dict[str, str]:
    answer = client.post("/api/auth/token/", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    return answer.json()


def bearer(raw: str) -> APIClient:
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {raw}")


def test_an_access_token_opens_the_api_and_a_refresh_token_does_not(client: APIClient, ada: User) -> None:
    pair = log_in(client, ada)
    assert bearer(pair["access"]).get("/api/auth/me/").json()["username"] == ada.username
    assert bearer(pair["refresh"]).get("/api/auth/me/").status_code == 401


def test_a_refresh_token_gives_a_new_access_token(client: APIClient, ada: User) -> None:
    answer = client.post("/api/auth/token/refresh/", {"refresh": log_in(client, ada)["refresh"]})
    assert bearer(answer.json()["access"]).get("/api/auth/me/").status_code == 200
    assert client.post("/api/auth/token/refresh/", {"refresh": "x.y.z"}).status_code == 401


def test_a_new_password_ends_every_jwt(client: APIClient, ada: User) -> None:
    pair = log_in(client, ada)
    ada.set_password("another password 1")
    ada.save()
    assert bearer(pair["access"]).get("/api/auth/me/").status_code == 401
    assert client.post("/api/auth/token/refresh/", {"refresh": pair["refresh"]}).status_code == 401


def test_a_deactivated_user_is_refused_whatever_they_hold(client: APIClient, ada: User) -> None:
    pair, (_, raw) = log_in(client, ada), ApiToken.issue(ada, "ci")
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert authenticate_bearer(pair["access"]) is None
    assert authenticate_bearer(raw) is None


def test_a_revoked_or_expired_api_token_is_refused(ada: User) -> None:
    row, raw = ApiToken.issue(ada, "ci")
    assert authenticate_bearer(raw) == ada
    ApiToken.objects.filter(pk=row.pk).update(revoked_at=timezone.now())
    assert authenticate_bearer(raw) is None
    _, old = ApiToken.issue(ada, "old", expires_at=timezone.now() - timedelta(seconds=1))
    assert authenticate_bearer(old) is None


@pytest.mark.parametrize("raw", ["", "wfp_unknown", "x" * 5000, "wfp_\udcff", "a.b.c"])
def test_nonsense_opens_nothing(raw: str) -> None:
    assert authenticate_bearer(raw) is None


def test_a_bad_bearer_is_a_401_with_a_challenge() -> None:
    answer = bearer("wfp_unknown").get("/api/auth/me/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert "wfp_unknown" not in answer.content.decode()


def test_last_use_is_written_at_most_once_a_minute(ada: User) -> None:
    row, raw = ApiToken.issue(ada, "ci")
    authenticate_bearer(raw)
    row.refresh_from_db()
    first = row.last_used_at
    authenticate_bearer(raw)
    row.refresh_from_db()
    assert first is not None
    assert row.last_used_at == first
    ApiToken.objects.filter(pk=row.pk).update(last_used_at=first - timedelta(seconds=61))
    authenticate_bearer(raw)
    row.refresh_from_db()
    assert row.last_used_at >= first


def test_too_many_wrong_passwords_are_throttled_and_right_ones_never_count(client: APIClient, ada: User) -> None:
    for _ in range(FAILURES_PER_NAME + 2):
        log_in(client, ada)
    wrong = {"username": ada.username, "password": "wrong"}
    statuses = [client.post("/api/auth/token/", wrong).status_code for _ in range(2 * FAILURES_PER_NAME + 1)]
    assert statuses[0] == 401
    # Twice the limit and one more, because a window may end in between.
    assert 429 in statuses


def test_an_issued_token_is_shown_once_and_kept_only_as_a_digest(ada: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = APIClient()
    client.force_authenticate(ada)
    issued = client.post("/api/tokens/", {"name": "ci"}).json()
    raw = issued["token"]
    row = ApiToken.objects.get(pk=issued["id"])
    assert row.digest == ApiToken.digest_of(raw)
    assert all(raw not in str(value) for value in vars(row).values())
    assert raw not in client.get("/api/tokens/").content.decode()
    assert raw not in caplog.text.replace(row.digest, "")


def test_revoking_ones_token_closes_it_and_anothers_is_a_404(ada: User) -> None:
    row, raw = ApiToken.issue(ada, "ci")
    stranger = APIClient()
    stranger.force_authenticate(User.objects.create_user(f"eve-{uuid.uuid4().hex[:8]}"))
    assert stranger.delete(f"/api/tokens/{row.pk}/").status_code == 404
    assert bearer(raw).delete(f"/api/tokens/{row.pk}/").status_code == 204
    assert bearer(raw).get("/api/auth/me/").status_code == 401


def test_the_first_admin_is_made_once() -> None:
    made = create_first_admin(PASSWORD)
    assert made is not None
    user, raw = made
    assert authenticate_bearer(raw) == user
    assert Membership.objects.get(user=user, workspace=Workspace.objects.get(slug="default")).role == Role.ADMIN
    assert create_first_admin(PASSWORD) is None


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_the_login_pages_share_the_limit_of_the_api(path: str) -> None:
    browser = Client(REMOTE_ADDR="192.0.2.77")
    wrong = {"username": f"guessed at {path}", "password": "wrong"}
    said = [browser.post(path, wrong).content.decode() for _ in range(2 * FAILURES_PER_NAME + 1)]
    assert "Wrong username or password" in said[0]
    assert any("Too many attempts" in page for page in said)


def test_behind_a_proxy_of_ours_failed_logins_count_for_the_client(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    # What stands left of the last address, the client may have made up.
    guesser = APIClient(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=f"192.0.2.{uuid.uuid4().int % 200}, 2001:db8::77")
    other = APIClient(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="2001:db8:0:1::78")  # another /64

    def guess(client: APIClient) -> int:
        name = uuid.uuid4().hex
        return int(client.post("/api/auth/token/", {"username": name, "password": "wrong"}).status_code)

    statuses = [guess(guesser) for _ in range(2 * FAILURES_PER_ADDRESS + 1)]
    assert statuses[0] == 401
    assert 429 in statuses
    assert guess(other) == 401
