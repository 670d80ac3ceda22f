"""Guessing passwords: many at once, from many places, and while others work."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.contrib.auth import authenticate
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from rest_framework.test import APIClient

from tests.conftest import Platform
from tests.engine import COMMITS
from tests.executing import save
from tests.people import Person
from tests.workflows import edge, node
from workflow_platform.core.accounts import hashing, known_devices, login_limit
from workflow_platform.core.accounts.login_limit import (
    FAILURES_PER_ADDRESS,
    FAILURES_PER_DEVICE,
    FAILURES_PER_NAME,
    FAILURES_PER_NAME_AND_ADDRESS,
    WINDOW,
    TooManyAttempts,
)
from workflow_platform.core.accounts.models import LoginCounter, User
from workflow_platform.core.accounts.passwords import PasswordBackend
from workflow_platform.core.requests.client_address import parse
from workflow_platform.installation.embedded import wait_until

PASSWORD = "a-password-for-tests"
GUESSES = 100
QUICK = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def attacked(platform: Platform) -> Iterator[Platform]:
    """Return the platform; its counters are cleared afterwards, since other tests log in from the same address."""
    clear = "from workflow_platform.core.accounts.models import LoginCounter; LoginCounter.objects.all().delete()"
    platform.shell.run(clear)
    yield platform
    platform.shell.run(clear)


def log_in(platform: Platform, name: str, password: str, session: Any = requests) -> requests.Response:
    body = {"username": name, "password": password}
    answer: requests.Response = session.post(f"{platform.url}/api/auth/token/", json=body, timeout=240)
    return answer


def let_in(platform: Platform, name: str, device: requests.Session) -> int:
    """Log in with the password, again while the platform is too busy to check it. Returns the status."""
    while (status := log_in(platform, name, PASSWORD, device).status_code) == 503:
        pass
    return status


def most_checked(limit: int, began: float) -> int:
    """Return how many guesses may have been checked since `began`, however long the machine took."""
    windows = 1 + int((time.monotonic() - began) // WINDOW.total_seconds())
    return limit * (windows + 1 if windows > 1 else 1)


def test_of_a_hundred_guesses_at_once_few_are_checked_and_others_work_on(attacked: Platform) -> None:
    owner, other = Person(attacked, "viewer"), Person(attacked, "editor")
    nodes = [node("start", "manual_trigger"), node("end", "no_op")]
    workflow = save(attacked, nodes, [edge("start", "end")])
    began, go = time.monotonic(), threading.Event()

    def guess(number: int) -> int:
        go.wait()
        return log_in(attacked, owner.name, f"guess {number}").status_code

    with ThreadPoolExecutor(GUESSES) as pool:
        guesses = [pool.submit(guess, number) for number in range(GUESSES)]
        go.set()
        answers = [other.request("GET", "/api/workflows/") for _ in range(5)]
        run = other.request("POST", f"/api/workflows/{workflow}/execute/", json={"wait": 60})
        statuses = Counter(each.result() for each in guesses)
    assert {answer.status_code for answer in answers} == {200}
    assert run.json()["status"] == "completed", run.text
    assert set(statuses) <= {401, 429, 503}
    assert 1 <= statuses[401] <= most_checked(FAILURES_PER_NAME_AND_ADDRESS, began)


def test_many_accounts_guessed_from_one_address_are_limited_together(attacked: Platform) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(GUESSES) as pool:
        names = [f"nobody-{uuid4().hex[:8]}" for _ in range(GUESSES)]
        statuses = Counter(pool.map(lambda name: log_in(attacked, name, "guess").status_code, names))
    assert set(statuses) <= {401, 429, 503}
    assert 1 <= statuses[401] <= most_checked(FAILURES_PER_ADDRESS, began)


def test_the_owner_gets_in_from_a_known_device_while_the_account_is_attacked(attacked: Platform) -> None:
    owner, device, stop = Person(attacked, "viewer"), requests.Session(), threading.Event()
    assert log_in(attacked, owner.name, PASSWORD, device).status_code == 200
    seen: list[requests.Response] = []

    def hammer() -> None:
        with requests.Session() as attacker:
            while not stop.is_set():
                seen.append(log_in(attacked, owner.name, "guess", attacker))

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(hammer) for _ in range(8)]
        try:
            wait_until(lambda: any(answer.status_code == 429 for answer in seen), "The limit")
            refused = log_in(attacked, owner.name, PASSWORD)
            allowed = [let_in(attacked, owner.name, device) for _ in range(3)]
        finally:
            stop.set()
        for each in running:
            each.result()
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= WINDOW.total_seconds() + 1
    assert allowed == [200, 200, 200]
    attacked.shell.run(  # as if the wait were over
        "from workflow_platform.core.accounts.models import LoginCounter;"
        " from workflow_platform.core.accounts.login_limit import WINDOW; from django.db.models import F;"
        " LoginCounter.objects.update(began_at=F('began_at') - WINDOW)"
    )
    assert log_in(attacked, owner.name, PASSWORD).status_code == 200


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_the_pages_have_the_same_limits_and_say_when_to_come_back(attacked: Platform, path: str) -> None:
    owner, began = Person(attacked, "viewer"), time.monotonic()
    url = attacked.url + path
    with requests.Session() as browser:
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(url, timeout=240).text)
        assert found is not None
        cookies, token = browser.cookies.get_dict(), found[1]

    def guess(number: int) -> requests.Response:
        form = {"csrfmiddlewaretoken": token, "username": owner.name, "password": f"guess {number}"}
        return requests.post(url, data=form, cookies=cookies, headers={"Referer": url}, timeout=240)

    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(guess, range(30)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 429, 503}
    assert 1 <= statuses[200] <= most_checked(FAILURES_PER_NAME_AND_ADDRESS, began)
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code != 200)


@COMMITS
def test_attempts_at_once_never_pass_a_limit() -> None:
    address = parse("192.0.2.9")

    def attempt(number: int) -> bool:
        try:
            login_limit.begin("ada", address, None)
        except TooManyAttempts:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(attempt, range(GUESSES))) == FAILURES_PER_NAME_AND_ADDRESS


@COMMITS
def test_no_database_connection_is_held_while_a_password_waits_to_be_hashed(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["workflow_platform.core.accounts.hashing.QueuedPBKDF2PasswordHasher"]
    user = User.objects.create_user("ada", password=PASSWORD)
    connection.close()
    in_use = lambda: (found := connection.pool.get_stats())["pool_size"] - found["pool_available"]  # type: ignore[attr-defined]  # noqa: E731

    def log_in_here() -> Any:
        try:
            return authenticate(None, username="ada", password=PASSWORD)
        finally:
            connection.close()

    gate, others = hashing.gate(), in_use()  # of threads that earlier tests of this process have started
    with ThreadPoolExecutor(3) as pool:
        with gate.turn():
            logins = [pool.submit(log_in_here) for _ in range(3)]
            wait_until(lambda: gate._waiting == 3, "All wait for the hash")
            wait_until(lambda: in_use() <= others, "The connections")
        assert [each.result() for each in logins] == [user, user, user]


@pytest.mark.django_db
def test_right_passwords_and_refusals_for_lack_of_room_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PASSWORD_HASHERS = QUICK
    User.objects.create_user("ada", password=PASSWORD)
    client = APIClient(REMOTE_ADDR="192.0.2.1")
    body = {"username": "ada", "password": PASSWORD}
    for _ in range(FAILURES_PER_NAME + 1):
        client.cookies.clear()
        assert client.post("/api/auth/token/", body).status_code == 200
    full = hashing.Gate(at_once=0, queued=0)
    monkeypatch.setattr(hashing, "gate", lambda: full)
    settings.PASSWORD_HASHERS = ["workflow_platform.core.accounts.hashing.QueuedPBKDF2PasswordHasher", *QUICK]
    for name in ("ada", "nobody"):
        busy = APIClient(REMOTE_ADDR="192.0.2.1").post("/api/auth/token/", body | {"username": name})
        assert (busy.status_code, busy["Retry-After"]) == (503, "2")
    assert set(LoginCounter.objects.values_list("attempts", flat=True)) == {0}


@pytest.mark.django_db
def test_an_attacker_at_one_address_leaves_room_for_the_owner_at_another(settings: Any) -> None:
    settings.PASSWORD_HASHERS = QUICK
    User.objects.create_user("ada", password=PASSWORD)
    wrong, right = {"username": "ada", "password": "wrong"}, {"username": "ada", "password": PASSWORD}
    attacker = APIClient(REMOTE_ADDR="2001:db8:1:1::1")
    for _ in range(FAILURES_PER_NAME):
        attacker.post("/api/auth/token/", wrong)
    # The same customer's next address is no other one.
    assert APIClient(REMOTE_ADDR="2001:db8:1:1::2").post("/api/auth/token/", wrong).status_code == 429
    assert APIClient(REMOTE_ADDR="2001:db8:1:2::1").post("/api/auth/token/", right).status_code == 200


@pytest.mark.django_db
def test_an_account_guessed_from_many_addresses_is_limited_by_its_name(settings: Any) -> None:
    settings.PASSWORD_HASHERS = QUICK
    guesses = [
        APIClient(REMOTE_ADDR=f"192.0.2.{number}").post("/api/auth/token/", {"username": "Ada", "password": "x"})
        for number in range(1, 2 * FAILURES_PER_NAME)
    ]
    assert [answer.status_code for answer in guesses].count(401) == FAILURES_PER_NAME


@pytest.mark.django_db
def test_a_stolen_or_forged_device_cookie_gives_few_guesses_and_none_for_others(settings: Any) -> None:
    settings.PASSWORD_HASHERS = QUICK
    ada, _ = (User.objects.create_user(name, password=PASSWORD) for name in ("ada", "bob"))
    device = APIClient(REMOTE_ADDR="192.0.2.1")
    assert device.post("/api/auth/token/", {"username": "ada", "password": PASSWORD}).status_code == 200
    cookie = device.cookies[known_devices.COOKIE]
    assert cookie["httponly"]
    assert PASSWORD not in cookie.value

    def checked(name: str, value: str, address: str) -> int:
        thief = APIClient(REMOTE_ADDR=address)
        thief.cookies[known_devices.COOKIE] = value
        body = {"username": name, "password": "guess"}
        return [thief.post("/api/auth/token/", body).status_code for _ in range(20)].count(401)

    assert checked("ada", cookie.value, "192.0.2.2") == FAILURES_PER_DEVICE
    assert checked("bob", cookie.value, "192.0.2.3") == FAILURES_PER_NAME_AND_ADDRESS
    assert checked("ada", cookie.value[:-1], "192.0.2.4") == FAILURES_PER_NAME_AND_ADDRESS
    ada.set_password("another password 1")
    ada.save()
    assert checked("ada", cookie.value, "192.0.2.5") == FAILURES_PER_NAME - FAILURES_PER_NAME_AND_ADDRESS


@pytest.mark.django_db
def test_unknown_inactive_and_known_users_get_the_same_answer_after_the_same_work(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PASSWORD_HASHERS = ["workflow_platform.core.accounts.hashing.QueuedPBKDF2PasswordHasher"]
    User.objects.create_user("ada", password=PASSWORD)
    User.objects.create_user("gone", password=PASSWORD, is_active=False)
    User.objects.create_user("none")
    hashed: list[int] = []
    encode = hashing.QueuedPBKDF2PasswordHasher.encode

    def counted(self: Any, password: str, salt: str, iterations: int | None = None) -> str:
        hashed.append(iterations or self.iterations)
        return encode(self, password, salt, iterations)

    monkeypatch.setattr(hashing.QueuedPBKDF2PasswordHasher, "encode", counted)
    said, work = set(), set()
    for name, password in (("ada", "x"), ("gone", PASSWORD), ("none", "x"), ("nobody", "x")):
        hashed.clear()
        answer = APIClient(REMOTE_ADDR="192.0.2.1").post("/api/auth/token/", {"username": name, "password": password})
        said.add((answer.status_code, answer.content))
        work.add(tuple(hashed))
    assert len(said) == 1
    assert len(work) == 1


@pytest.mark.django_db
async def test_the_asynchronous_backend_has_the_same_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(PasswordBackend, "authenticate", lambda self, *args, **kwargs: asked.append(args))
    assert await PasswordBackend().aauthenticate(HttpRequest(), "ada", "guess") is None
    assert len(asked) == 1


@pytest.mark.django_db
def test_the_old_password_cannot_be_guessed_in_a_stolen_session(settings: Any) -> None:
    settings.PASSWORD_HASHERS = QUICK
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    root = User.objects.create_superuser("root", password=PASSWORD)
    thief = APIClient(REMOTE_ADDR="192.0.2.1")
    thief.force_authenticate(root)
    body = {"current_password": "guess", "new_password": "my-own-password-9"}
    statuses = [thief.post("/api/account/password/", body).status_code for _ in range(20)]
    assert statuses.count(400) == FAILURES_PER_NAME_AND_ADDRESS
    assert set(statuses) == {400, 429}
    browser = Client(REMOTE_ADDR="192.0.2.2")
    browser.force_login(root)
    form = {"old_password": "guess", "new_password1": "my-own-password-9", "new_password2": "my-own-password-9"}
    statuses = [browser.post("/admin/password_change/", form).status_code for _ in range(20)]
    assert statuses.count(200) == FAILURES_PER_NAME - FAILURES_PER_NAME_AND_ADDRESS
    assert set(statuses) == {200, 429}
