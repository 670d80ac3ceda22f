"""What a thief of a token or a session holds, and how the owner ends it."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import jwt
import pytest
from django.apps import apps
from django.conf import settings as configured
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient
from websockets.asyncio.client import connect

from tests.conftest import Platform
from tests.engine import COMMITS
from tests.people import Person
from workflow_platform.core.accounts import known_devices, refresh_tokens
from workflow_platform.core.accounts.authentication import authenticate_bearer
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, TokenFamily, User, Workspace

PASSWORD = "a-password-for-tests"
NEW = "another password 1"
SECONDS = 5


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password=PASSWORD)


def pair_of(user: User) -> dict[str, str]:
    answer = APIClient().post("/api/auth/token/", {"username": user.username, "password": PASSWORD})
    return dict(answer.json())


def refresh(token: str) -> Any:
    return APIClient().post("/api/auth/token/refresh/", {"refresh": token})


def opens(access: str) -> bool:
    return bool(APIClient(HTTP_AUTHORIZATION=f"Bearer {access}").get("/api/auth/me/").status_code == 200)


def test_each_refresh_token_works_once_and_its_reuse_ends_the_family(ada: User) -> None:
    first, other = pair_of(ada), pair_of(ada)
    second = refresh(first["refresh"]).json()
    third = refresh(second["refresh"]).json()
    assert all(opens(pair["access"]) for pair in (first, second, third))
    assert refresh(first["refresh"]).status_code == 401  # a thief's copy, or the owner's after a thief's use
    assert refresh(third["refresh"]).status_code == 401
    assert not any(opens(pair["access"]) for pair in (first, second, third))
    assert opens(other["access"])
    assert refresh(other["refresh"]).status_code == 200


@COMMITS
def test_of_many_uses_of_a_refresh_token_at_once_one_succeeds_at_most() -> None:
    token = pair_of(User.objects.create_user("ada", password=PASSWORD))["refresh"]

    def use(_: int) -> bool:
        try:
            return refresh_tokens.rotate(token) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(use, range(10))) == 1
    assert TokenFamily.objects.get().ended_at is not None


def test_a_refreshed_login_lasts_no_longer_than_the_first_one(ada: User) -> None:
    first = pair_of(ada)
    second = refresh(first["refresh"]).json()
    assert claims(second["refresh"])["exp"] == claims(first["refresh"])["exp"]


def test_a_revoked_login_is_over_and_an_unknown_token_gets_the_same_answer(ada: User) -> None:
    first, other = pair_of(ada), pair_of(ada)
    second = refresh(first["refresh"]).json()
    for token in (second["refresh"], "x.y.z", second["access"]):
        assert APIClient().post("/api/auth/token/revoke/", {"refresh": token}).status_code == 204
    assert refresh(second["refresh"]).status_code == 401
    assert not opens(second["access"])
    assert opens(other["access"])


def test_a_deactivated_user_starts_without_old_tokens_when_activated_again(ada: User) -> None:
    pair, site = pair_of(ada), Client()
    site.force_login(User.objects.create_superuser("root"))
    page = f"/admin/accounts/user/{ada.pk}/change/"
    form = {"username": "ada", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert site.post(page, form).status_code == 302
    assert not User.objects.get(pk=ada.pk).is_active
    assert site.post(page, form | {"is_active": "on"}).status_code == 302
    assert not opens(pair["access"])
    assert refresh(pair["refresh"]).status_code == 401


@pytest.mark.parametrize("end_tokens", [None, True, False])
def test_a_new_password_ends_other_sessions_and_jwts_and_by_default_api_tokens(
    ada: User, end_tokens: bool | None
) -> None:
    pair, (_, raw) = pair_of(ada), ApiToken.issue(ada, "ci")
    mine, thief = Client(), Client()
    for browser in (mine, thief):
        assert browser.login(username="ada", password=PASSWORD)
    body: dict[str, Any] = {"current_password": PASSWORD, "new_password": NEW}
    body |= {} if end_tokens is None else {"end_tokens": end_tokens}
    changed = mine.post("/api/account/password/", body, content_type="application/json")
    assert changed.status_code == 200, changed.content
    assert changed.json() == {"ended_api_tokens": 0 if end_tokens is False else 1}
    assert mine.get("/api/account/").status_code == 200
    assert thief.get("/api/account/").status_code == 401
    assert not opens(pair["access"])
    assert refresh(pair["refresh"]).status_code == 401
    assert opens(raw) is (end_tokens is False)
    assert not Client().login(username="ada", password=PASSWORD)
    assert Client().login(username="ada", password=NEW)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"current_password": "wrong", "new_password": NEW}, "current_password"),
        ({"current_password": PASSWORD, "new_password": "12345"}, "new_password"),
        ({"current_password": PASSWORD}, "new_password"),
    ],
)
def test_a_password_is_changed_only_with_the_old_one_and_to_a_good_one(
    ada: User, body: dict[str, str], field: str
) -> None:
    client = APIClient()
    client.force_authenticate(ada)
    refused = client.post("/api/account/password/", body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)
    assert User.objects.get(pk=ada.pk).check_password(PASSWORD)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("end", [True, False])
def test_the_admin_site_offers_to_end_tokens_with_a_new_password(ada: User, own: bool, end: bool) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    site, whose = Client(), root if own else ada
    site.force_login(root)
    page = "/admin/password_change/" if own else f"/admin/accounts/user/{ada.pk}/password/"
    assert 'name="end_tokens"' in site.get(page).content.decode()
    assert "checked" in checkbox(site.get(page).content.decode())
    pair, (_, raw) = pair_of(whose), ApiToken.issue(whose, "ci")
    names = ("new_password1", "new_password2") if own else ("password1", "password2")
    form = dict.fromkeys(names, NEW) | {"old_password": PASSWORD, "usable_password": "true"}
    done = site.post(page, form | ({"end_tokens": "on"} if end else {}))
    assert done.status_code == 302, done.content.decode()
    assert User.objects.get(pk=whose.pk).check_password(NEW)
    assert opens(raw) is not end
    assert refresh(pair["refresh"]).status_code == 401


def test_logging_out_everywhere_leaves_the_one_session_that_asked(ada: User) -> None:
    pair, (_, raw) = pair_of(ada), ApiToken.issue(ada, "ci")
    mine, thief = Client(), Client()
    for browser in (mine, thief):
        assert browser.login(username="ada", password=PASSWORD)
    path = "/api/account/end-sessions/"
    assert mine.post(path, {}, content_type="application/json").json() == {"ended_api_tokens": 0}
    assert mine.get("/api/account/").status_code == 200
    assert thief.get("/api/account/").status_code == 401
    assert not opens(pair["access"])
    assert refresh(pair["refresh"]).status_code == 401
    assert opens(raw)
    asked = mine.post(path, {"end_tokens": True}, content_type="application/json")
    assert asked.json() == {"ended_api_tokens": 1}
    assert not opens(raw)


async def test_a_socket_of_a_revoked_login_ends_within_seconds(platform: Platform) -> None:
    person = Person(platform, "viewer")
    body = {"username": person.name, "password": PASSWORD}
    pair = person.request("POST", "/api/auth/token/", json=body).json()
    headers = {"Authorization": f"Bearer {pair['access']}"}
    async with connect(platform.ws_url, additional_headers=headers) as socket:
        await socket.send('{"type": "subscribe", "stream": "executions", "after": -1}')
        await socket.recv()
        assert person.request("POST", "/api/auth/token/revoke/", json={"refresh": pair["refresh"]}).status_code == 204
        await asyncio.wait_for(socket.wait_closed(), SECONDS)
        assert socket.close_code == 4401


# --- Forged and strange tokens ---------------------------------------------------------------------------------------


def claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def signed(**said: Any) -> str:
    return jwt.encode(said, configured.SECRET_KEY, algorithm="HS256")


@pytest.mark.parametrize(
    "change",
    [
        {"exp": 10**12},
        {"exp": "soon"},
        {"exp": [1]},
        {"family": "x"},
        {"family": None},
        {"family": str(uuid.uuid4())},
        {"user_id": "1" * 40},
        {"user_id": "٣"},
        {"user_id": None},
        {"pwd": None},
        {"pwd": "ü"},
        {"token_type": "refresh"},
    ],
)
def test_a_strange_token_opens_nothing_even_if_it_is_signed(ada: User, change: dict[str, Any]) -> None:
    good = claims(pair_of(ada)["access"])
    assert authenticate_bearer(signed(**good)) == ada
    wanted = good | change
    if "exp" in change and change["exp"] == 10**12:
        wanted["family"] = str(uuid.uuid4())  # whether such a time is read or not, the login is none of ours
    assert authenticate_bearer(signed(**wanted)) is None
    assert refresh(signed(**(wanted | {"token_type": "refresh"}))).status_code == 401
    assert APIClient(HTTP_AUTHORIZATION=f"Bearer {signed(**wanted)}").get("/api/auth/me/").status_code == 401


def test_a_token_of_one_user_does_not_pass_for_another(ada: User) -> None:
    eve = User.objects.create_user("eve", password=PASSWORD)
    good = claims(pair_of(eve)["access"])
    stolen = TokenFamily.objects.create(user=ada, current="x", expires_at=timezone.now() + timedelta(days=1))
    assert authenticate_bearer(signed(**(good | {"user_id": str(ada.pk)}))) is None
    assert authenticate_bearer(signed(**(good | {"family": str(stolen.pk)}))) is None


def test_a_refresh_token_from_before_the_upgrade_works_once(ada: User) -> None:
    now = int(datetime.now(UTC).timestamp())
    old = signed(
        token_type="refresh", exp=now + 86_400, iat=now, jti=uuid.uuid4().hex, user_id=str(ada.pk),
        pwd=known_devices.mark_of(ada),
    )  # fmt: skip
    pair = refresh(old).json()
    assert opens(pair["access"])
    assert refresh(old).status_code == 401
    assert not opens(pair["access"])


# --- Upgrade and upkeep ----------------------------------------------------------------------------------------------


def test_the_upgrade_chooses_the_workspace_joined_first_and_keeps_people_logged_in(ada: User) -> None:
    upgrade = import_module("workflow_platform.core.accounts.migrations.0005_existing_accounts")
    evil, own = (Workspace.objects.create(name=name, slug=name) for name in ("evil", "own"))  # evil is the older one
    Membership.objects.create(workspace=own, user=ada, role=Role.ADMIN)
    Membership.objects.create(workspace=evil, user=ada, role=Role.VIEWER)
    User.objects.update(default_workspace=None)
    browser = Client()
    browser.force_login(ada)
    session = browser.session
    session[BACKEND_SESSION_KEY] = upgrade.OLD
    session.save()
    assert browser.get("/api/account/").status_code == 401
    upgrade.choose_default_workspaces(apps, None)
    upgrade.rename_backend(upgrade.OLD, upgrade.NEW)(apps, None)
    assert browser.get("/api/account/").json()["default_workspace"] == str(own.pk)
    assert Session.objects.count() == 1


def test_ended_logins_are_swept_once_their_tokens_have_expired(ada: User) -> None:
    pair_of(ada)
    refresh_tokens.sweep()
    assert TokenFamily.objects.count() == 1
    TokenFamily.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    refresh_tokens.sweep()
    assert TokenFamily.objects.count() == 0


def checkbox(page: str) -> str:
    """Return the checkbox in a page of the admin."""
    begin = page.index('name="end_tokens"')
    return page[begin : page.index(">", begin)]
