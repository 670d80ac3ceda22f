"""Tokens of the OAuth2 client credentials grant (RFC 6749, 4.4): fetched once for all workers, kept encrypted in Redis
until shortly before they expire, fetched anew when a server refuses one.

Redis is a convenience: without it a token is fetched each time.
"""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import orjson
from django.core.cache import cache
from redis import Redis
from redis.exceptions import LockError, RedisError

from executions.domain.credential_types import OAuth2ClientCredentials
from workflow_platform.core import outbound
from workflow_platform.core.redis_server import patient_client
from workflow_platform.core.secrets import encryption

FETCH_SECONDS = 20.0
LOCK_SECONDS = 30.0
LOCK_POLL_SECONDS = 0.2
UNSAID_LIFETIME = 300.0
LONGEST_LIFETIME = 24 * 3600.0
MARGIN_SECONDS = 60.0
"""A token is given up so long before its end, or a tenth of its life if that is less."""
MOST_BYTES = 64 * 1024

_ERROR_CODE = re.compile(r"[a-z0-9_]{1,60}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,16000}")


class NoToken(Exception):
    """The token URL gave none. The message has nothing of what was sent or received but a status and an error code."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


def token(
    key: str,
    fields: OAuth2ClientCredentials,
    *,
    refused: str | None = None,
    fresh: bool = False,
    cancelled: threading.Event | None = None,
) -> str:
    """Return a token other than `refused`, with `fresh` one that is fetched now. `key` names the credential and the
    version of its secrets.

    Raises NoToken.
    """
    name = f"credential-token:{key}"
    found = None if fresh else _kept(name)
    if found is not None and found != refused:
        return found
    with _alone(name, cancelled):
        found = None if fresh else _kept(name)  # whoever held the lock before has fetched it
        if found is not None and found != refused:
            return found
        found, lifetime = _fetch(fields, cancelled)
        _keep(name, found, lifetime)
        return found


def _kept(name: str) -> str | None:
    try:
        closed = cache.get(name)
        return encryption.decrypt(closed).decode() if closed else None
    except (RedisError, encryption.CannotDecrypt):
        return None


def _keep(name: str, found: str, lifetime: float) -> None:
    with suppress(RedisError):
        cache.set(name, encryption.encrypt(found.encode()), max(1, int(lifetime - min(MARGIN_SECONDS, lifetime / 10))))


@functools.cache
def _redis() -> Redis:
    return patient_client()


@contextmanager
def _alone(name: str, cancelled: threading.Event | None) -> Iterator[None]:
    """Let one at a time fetch a credential's token, over all processes; without Redis everybody does."""
    lock = _redis().lock(f"{name}:lock", timeout=LOCK_SECONDS, sleep=0.02, thread_local=False)
    held = False
    until = time.monotonic() + LOCK_SECONDS
    try:
        while not held and time.monotonic() < until:
            if cancelled is not None and cancelled.is_set():
                raise NoToken("Cancelled.", retryable=False)
            held = lock.acquire(blocking_timeout=LOCK_POLL_SECONDS)
    except RedisError:
        held = False
    try:
        yield
    finally:
        if held:
            with suppress(RedisError, LockError):
                lock.release()


def _fetch(fields: OAuth2ClientCredentials, cancelled: threading.Event | None) -> tuple[str, float]:
    form = {"grant_type": "client_credentials"}
    form |= {name: value for name in ("scope", "audience") if (value := getattr(fields, name))}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if fields.authentication == "basic":
        headers["Authorization"] = f"Basic {fields.basic()}"
    else:
        form |= {"client_id": fields.client_id, "client_secret": fields.client_secret}
    try:
        answer = outbound.send(
            "POST",
            fields.token_url,
            headers=headers,
            body=urlencode(form).encode(),
            timeout_seconds=FETCH_SECONDS,
            max_body_bytes=MOST_BYTES,
            cancelled=cancelled,
            repeatable=True,
        )
    except outbound.OutboundRefused as error:
        raise NoToken(f"the token URL may not be called: {error}", retryable=False) from None
    except outbound.OutboundFailed as error:
        retryable = not isinstance(error, outbound.OutboundCancelled)
        raise NoToken(f"no token: {error}", retryable=retryable) from None
    said = _read(answer.body)
    if answer.status != 200:
        code = said.get("error")
        because = f" ({code})" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
        retryable = answer.status in {408, 429} or answer.status >= 500
        raise NoToken(f"the token URL answered {answer.status}{because}.", retryable=retryable)
    return _token_of(said)


def _read(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _token_of(said: dict[str, Any]) -> tuple[str, float]:
    found, kind, lifetime = said.get("access_token"), said.get("token_type", "bearer"), said.get("expires_in")
    if not isinstance(found, str) or not _TOKEN.fullmatch(found):
        raise NoToken("the token URL answered 200 without an access_token.", retryable=False)
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise NoToken("the token is not a bearer token.", retryable=False)
    try:
        seconds = float(lifetime) if lifetime is not None else UNSAID_LIFETIME
    except (TypeError, ValueError):
        seconds = UNSAID_LIFETIME
    return found, min(max(seconds, 0.0), LONGEST_LIFETIME) if seconds == seconds else UNSAID_LIFETIME
