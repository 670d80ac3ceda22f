"""Tokens are fetched once for everybody, renewed when they are refused, and kept where nobody can read them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock
from uuid import uuid4

import django_rq
import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as RedisConnectionError

from executions.credentials import oauth2
from executions.domain.credential_types import OAuth2ClientCredentials
from tests.hostile import Hostile, hostile, read_request


class TokenServer:
    """Gives token-1, token-2, …; `answer` replaces what it says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: tuple[int, Any] | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.lifetime: Any = 3600

    def __call__(self, connection: Any, over: threading.Event) -> None:
        while request := read_request(connection):
            self.gate.wait(60)
            self.asked.append(request.decode())
            given = {"access_token": f"token-{len(self.asked)}", "token_type": "Bearer", "expires_in": self.lifetime}
            status, said = self.answer or (200, given)
            body = (said if isinstance(said, str) else json.dumps(said)).encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)


@pytest.fixture
def tokens(settings: Any) -> TokenServer:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    return TokenServer()


@pytest.fixture
def server(tokens: TokenServer) -> Iterator[Hostile]:
    with hostile(tokens) as running:
        yield running


def fields(server: Hostile, **further: Any) -> OAuth2ClientCredentials:
    held = {"token_url": server.url, "client_id": "ada", "client_secret": "a secret: with %", "scope": "read write"}
    return OAuth2ClientCredentials(**held | further)


def test_a_token_is_fetched_once_and_kept_encrypted(tokens: TokenServer, server: Hostile) -> None:
    key = uuid4().hex
    assert [oauth2.token(key, fields(server)) for _ in range(3)] == ["token-1"] * 3
    assert len(tokens.asked) == 1
    name = cache.make_key(f"credential-token:{key}")
    kept = django_rq.get_connection().get(name)
    assert kept
    assert b"token-1" not in kept
    assert 3000 < django_rq.get_connection().ttl(name) <= 3540


def test_the_client_signs_in_as_it_is_told(tokens: TokenServer, server: Hostile) -> None:
    oauth2.token(uuid4().hex, fields(server, audience="them"))
    oauth2.token(uuid4().hex, fields(server, authentication="body"))
    by_header, by_body = tokens.asked
    pair = base64.b64encode(b"ada:a+secret%3A+with+%25").decode()
    assert f"Authorization: Basic {pair}" in by_header
    assert by_header.endswith("grant_type=client_credentials&scope=read+write&audience=them")
    assert "Authorization" not in by_body
    assert by_body.endswith("&client_id=ada&client_secret=a+secret%3A+with+%25")


def test_many_who_want_a_token_at_once_fetch_one(tokens: TokenServer, server: Hostile) -> None:
    key = uuid4().hex
    tokens.gate.clear()
    with ThreadPoolExecutor(20) as pool:
        wanted = [pool.submit(oauth2.token, key, fields(server)) for _ in range(20)]
        tokens.gate.set()
        assert {each.result(60) for each in wanted} == {"token-1"}
    assert len(tokens.asked) == 1


def test_a_token_that_was_refused_is_replaced_once_for_all_who_held_it(tokens: TokenServer, server: Hostile) -> None:
    key = uuid4().hex
    held = oauth2.token(key, fields(server))
    with ThreadPoolExecutor(10) as pool:
        renewed = list(pool.map(lambda _: oauth2.token(key, fields(server), refused=held), range(10)))
    assert set(renewed) == {"token-2"}
    assert len(tokens.asked) == 2


def test_a_token_is_given_up_before_it_expires(tokens: TokenServer, server: Hostile) -> None:
    for lifetime, most in ((10, 9), ("20", 18), (None, 270), ("soon", 270), (10**9, 86_340)):
        tokens.lifetime, key = lifetime, uuid4().hex
        oauth2.token(key, fields(server))
        ttl = django_rq.get_connection().ttl(cache.make_key(f"credential-token:{key}"))
        assert most - 2 <= ttl <= most


@pytest.mark.parametrize(
    ("status", "said", "message", "retryable"),
    [
        (401, {"error": "invalid_client", "error_description": "a secret: with %"}, "401 (invalid_client)", False),
        (400, {"error": "a secret: with %"}, "responded with status 400.", False),
        (500, "a secret: with %", "responded with status 500.", True),
        (302, "", "responded with status 302.", False),
        (200, "not json", "without an access_token", False),
        (200, {"access_token": "two\r\nlines"}, "without an access_token", False),
        (200, {"access_token": "x", "token_type": "mac"}, "not bearer", False),
    ],
)
def test_what_went_wrong_is_said_without_what_was_sent(
    tokens: TokenServer, server: Hostile, status: int, said: Any, message: str, retryable: bool
) -> None:
    tokens.answer = (status, said)
    with pytest.raises(oauth2.NoToken) as raised:
        oauth2.token(uuid4().hex, fields(server))
    assert message in str(raised.value)
    assert "a secret" not in str(raised.value)
    assert raised.value.retryable is retryable


def test_without_redis_each_fetches_for_itself(tokens: TokenServer, server: Hostile) -> None:
    away = RedisConnectionError("away")
    with (
        mock.patch("redis.lock.Lock.acquire", side_effect=away),
        mock.patch.object(cache, "get", side_effect=away),
        mock.patch.object(cache, "set", side_effect=away),
    ):
        key = uuid4().hex
        assert [oauth2.token(key, fields(server)) for _ in range(2)] == ["token-1", "token-2"]


def test_a_cancelled_run_waits_for_no_token(tokens: TokenServer, server: Hostile) -> None:
    tokens.gate.clear()
    cancelled = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        key = uuid4().hex
        waiting = [pool.submit(oauth2.token, key, fields(server), cancelled=cancelled) for _ in range(2)]
        cancelled.set()
        for each in waiting:  # the one that asks, and the one that waits for it
            with pytest.raises(oauth2.NoToken, match="Cancelled"):
                each.result(60)
    tokens.gate.set()
