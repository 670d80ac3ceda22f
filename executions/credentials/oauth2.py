"""Tokens of the OAuth2 client credentials grant (RFC 6749, 4.4). A token is fetched once for all workers, cached
encrypted in Redis until shortly before it expires, and fetched again if a server rejects it.

Without Redis, a token is fetched each time.
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
from workflow_platform.core import outbound, spending
from workflow_platform.core.redis_server import patient_client
from workflow_platform.core.secrets import encryption

FETCH_SECONDS = 20.0
LOCK_SECONDS = 30.0
LOCK_POLL_SECONDS = 0.2
DEFAULT_LIFETIME = 300.0
MAX_LIFETIME = 24 * 3600.0
MARGIN_SECONDS = 60.0
"""How long before its expiry a token is discarded; at most a tenth of its lifetime."""
MAX_BYTES = 64 * 1024

_ERROR_CODE = re.compile(r"[a-z0-9_]{1,60}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,16000}")


class NoToken(Exception):
    """The token URL returned no token. Of the exchange, the message contains only the status and an error code."""

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
    """Return a token other than `refused`; with `fresh`, fetch it now. `key` identifies the credential and the version
    of its secrets.

    Raises NoToken.
    """
    name = f"credential-token:{key}"
    cached = None if fresh else _cached(name)
    if cached is not None and cached != refused:
        return cached
    with spending.waiting("credential"), _locked(name, cancelled):
        cached = None if fresh else _cached(name)  # the previous holder of the lock may have fetched it
        if cached is not None and cached != refused:
            return cached
        cached, lifetime = _fetch(fields, cancelled)
        _store(name, cached, lifetime)
        return cached


def _cached(name: str) -> str | None:
    try:
        encrypted = cache.get(name)
        return encryption.decrypt(encrypted).decode() if encrypted else None
    except (RedisError, encryption.CannotDecrypt):
        return None


def _store(name: str, token: str, lifetime: float) -> None:
    with suppress(RedisError):
        cache.set(name, encryption.encrypt(token.encode()), max(1, int(lifetime - min(MARGIN_SECONDS, lifetime / 10))))


@functools.cache
def _redis() -> Redis:
    return patient_client()


@contextmanager
def _locked(name: str, cancelled: threading.Event | None) -> Iterator[None]:
    """Let one process at a time fetch a credential's token. Without Redis, all may."""
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
        response = outbound.send(
            "POST",
            fields.token_url,
            headers=headers,
            body=urlencode(form).encode(),
            timeout_seconds=FETCH_SECONDS,
            max_body_bytes=MAX_BYTES,
            cancelled=cancelled,
            repeatable=True,
        )
    except outbound.OutboundRefused as error:
        raise NoToken(f"the token URL is not allowed: {error}", retryable=False) from None
    except outbound.OutboundFailed as error:
        retryable = not isinstance(error, outbound.OutboundCancelled)
        raise NoToken(f"the token request failed: {error}", retryable=retryable) from None
    body = _parse(response.body)
    if response.status != 200:
        code = body.get("error")
        error_code = f" ({code})" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
        retryable = response.status in {408, 429} or response.status >= 500
        raise NoToken(f"the token URL responded with status {response.status}{error_code}.", retryable=retryable)
    return _token_of(body)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _token_of(body: dict[str, Any]) -> tuple[str, float]:
    token, kind, lifetime = body.get("access_token"), body.get("token_type", "bearer"), body.get("expires_in")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise NoToken("the token URL responded with status 200 but without an access_token.", retryable=False)
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise NoToken("the token type is not bearer, the only supported type.", retryable=False)
    try:
        seconds = float(lifetime) if lifetime is not None else DEFAULT_LIFETIME
    except (TypeError, ValueError):
        seconds = DEFAULT_LIFETIME
    return token, min(max(seconds, 0.0), MAX_LIFETIME) if seconds == seconds else DEFAULT_LIFETIME
