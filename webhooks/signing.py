"""Signatures as Standard Webhooks has them: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over `id.timestamp.body`. Pure.

A secret is `whsec_` and base64 of 16 to 64 random bytes, or `whsk_` and base64 of an Ed25519 seed, whose public half is
`whpk_…`. Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as random_secrets
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Kind = Literal["v1", "v1a"]
SYMMETRIC, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 20
"""Of a message: further ones are not looked at."""
_SEED_BYTES = 32
_NEW_BYTES = 32


class BadSecret(ValueError):
    """A secret is whsec_, whsk_ or whpk_ and base64 of 16 to 64 bytes (Ed25519: of 32)."""


class BadSignature(Exception):
    """The message is not signed by whom it should be, or is too old; the text says what is wrong with it."""


def new_secret(kind: Kind) -> str:
    """Return a fresh secret."""
    prefix = SYMMETRIC if kind == "v1" else PRIVATE
    return prefix + base64.b64encode(random_secrets.token_bytes(_NEW_BYTES)).decode()


def check_secret(secret: str) -> Kind:
    """Return what kind of signature the secret makes or, if it is a public key, verifies. Raises BadSecret."""
    if secret.startswith(PUBLIC):
        _public(secret)
        return "v1a"
    if secret.startswith(PRIVATE):
        _private(secret)
        return "v1a"
    _key(secret)
    return "v1"


def public_key(secret: str) -> str:
    """Return the `whpk_…` by which a receiver verifies what the `whsk_…` signs. Raises BadSecret."""
    return PUBLIC + base64.b64encode(_private(secret).public_key().public_bytes_raw()).decode()


def sign(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one for each secret, in their order. Raises BadSecret."""
    message = _message(message_id, timestamp, body)
    return " ".join(_signature(secret, message) for secret in secrets)


def verify(
    secrets: Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> str:
    """Return the id of a message that one of the secrets has signed, and lately. Header names are in lower case.

    Raises BadSignature for whatever is wrong with the message, BadSecret for a secret that is none.
    """
    message_id, said, given = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not (message_id and said and given):
        missing = next(name for name in (ID, TIMESTAMP, SIGNATURE) if not headers.get(name))
        raise BadSignature(f"The header {missing} is missing.")
    if not (said.isascii() and said.isdigit() and len(said) < 13):
        raise BadSignature("webhook-timestamp is not a number of seconds.")
    apart = (time.time() if now is None else now) - int(said)
    if abs(apart) > tolerance_seconds:
        raise BadSignature("webhook-timestamp is too old." if apart > 0 else "webhook-timestamp lies in the future.")
    message = _message(message_id, int(said), body, said)
    found = [(part.partition(",")[0], part.partition(",")[2]) for part in given.split(" ")[:MOST_SIGNATURES]]
    if not any(_fits(secret, found, message) for secret in secrets):
        raise BadSignature("No signature fits.")
    return message_id


def _message(message_id: str, timestamp: int, body: bytes, said: str | None = None) -> bytes:
    return f"{message_id}.{said or timestamp}.".encode() + body


def _signature(secret: str, message: bytes) -> str:
    if secret.startswith(PRIVATE):
        return "v1a," + base64.b64encode(_private(secret).sign(message)).decode()
    # Not hmac.digest: it lets go of the interpreter, and among many threads it takes long to get that back.
    return "v1," + base64.b64encode(hmac.new(_key(secret), message, hashlib.sha256).digest()).decode()


def _fits(secret: str, found: list[tuple[str, str]], message: bytes) -> bool:
    if secret.startswith((PUBLIC, PRIVATE)):
        key = _public(secret) if secret.startswith(PUBLIC) else _private(secret).public_key()
        return any(_verified(key, value, message) for kind, value in found if kind == "v1a")
    right = _signature(secret, message).removeprefix("v1,").encode()
    return any(hmac.compare_digest(right, value.encode()) for kind, value in found if kind == "v1")


def _verified(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


@lru_cache(maxsize=1024)
def _key(secret: str) -> bytes:
    key = _decoded(secret.removeprefix(SYMMETRIC))
    if not 16 <= len(key) <= 64:
        raise BadSecret(BadSecret.__doc__)
    return key


@lru_cache(maxsize=1024)
def _private(secret: str) -> Ed25519PrivateKey:
    seed = _decoded(secret.removeprefix(PRIVATE))
    if len(seed) not in {_SEED_BYTES, 2 * _SEED_BYTES}:  # some keep the public half behind the seed
        raise BadSecret(BadSecret.__doc__)
    return Ed25519PrivateKey.from_private_bytes(seed[:_SEED_BYTES])


@lru_cache(maxsize=1024)
def _public(secret: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(_decoded(secret.removeprefix(PUBLIC)))
    except ValueError:
        raise BadSecret(BadSecret.__doc__) from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret(BadSecret.__doc__) from None
