"""Signatures of Standard Webhooks: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over `id.timestamp.body`. Pure.

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
"""Further signatures of a message are ignored."""
_SEED_BYTES = 32
_NEW_BYTES = 32
_SHORTEST_KEY = 16
NO_MATCH = "The signature is wrong: it was made with another secret, or the body was changed in transit."


class BadSecret(ValueError):
    """A secret must be whsec_, whsk_ or whpk_ followed by 16 to 64 bytes in Base64 (Ed25519: 32 bytes)."""


class BadSignature(Exception):
    """The signature of a message is wrong, missing or too old; the text says which."""


def new_secret(kind: Kind) -> str:
    """Return a fresh secret."""
    prefix = SYMMETRIC if kind == "v1" else PRIVATE
    return prefix + base64.b64encode(random_secrets.token_bytes(_NEW_BYTES)).decode()


def secret_of(key: bytes) -> str:
    """Return the `whsec_…` that signs as HMAC does with a key of any length: RFC 2104 fills short keys with zeros, and
    hashes those that are longer than a block."""
    key = hashlib.sha256(key).digest() if len(key) > hashlib.sha256().block_size else key.ljust(_SHORTEST_KEY, b"\0")
    return SYMMETRIC + base64.b64encode(key).decode()


def check_secret(secret: str) -> Kind:
    """Return the kind of signature that the secret creates or, as a public key, verifies. Raises BadSecret."""
    if secret.startswith(PUBLIC):
        _public(secret)
        return "v1a"
    if secret.startswith(PRIVATE):
        _private(secret)
        return "v1a"
    _key(secret)
    return "v1"


def public_key(secret: str) -> str:
    """Return the public key `whpk_…` of a secret `whsk_…`. Raises BadSecret."""
    return PUBLIC + base64.b64encode(_private(secret).public_key().public_bytes_raw()).decode()


def sign(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature per secret, in order. Raises BadSecret."""
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
    """Verify a message and return its id. Header names are in lower case.

    Raises BadSignature if no secret signed it or it is too old, BadSecret for an invalid secret.
    """
    message_id, timestamp, signatures = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not (message_id and timestamp and signatures):
        missing = next(name for name in (ID, TIMESTAMP, SIGNATURE) if not headers.get(name))
        raise BadSignature(f"The header {missing} is missing.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 13):
        raise BadSignature("webhook-timestamp is not a number of seconds.")
    age = (time.time() if now is None else now) - int(timestamp)
    if abs(age) > tolerance_seconds:
        raise BadSignature("webhook-timestamp is too old." if age > 0 else "webhook-timestamp is in the future.")
    message = _message(message_id, int(timestamp), body, timestamp)
    parts = [(part.partition(",")[0], part.partition(",")[2]) for part in signatures.split(" ")[:MOST_SIGNATURES]]
    if not any(_matches(secret, parts, message) for secret in secrets):
        raise BadSignature(NO_MATCH)
    return message_id


def _message(message_id: str, timestamp: int, body: bytes, text: str | None = None) -> bytes:
    return f"{message_id}.{text or timestamp}.".encode() + body


def _signature(secret: str, message: bytes) -> str:
    if secret.startswith(PRIVATE):
        return "v1a," + base64.b64encode(_private(secret).sign(message)).decode()
    # Not hmac.digest: it releases the GIL, and with many threads it takes long to get it back.
    return "v1," + base64.b64encode(hmac.new(_key(secret), message, hashlib.sha256).digest()).decode()


def _matches(secret: str, signatures: list[tuple[str, str]], message: bytes) -> bool:
    if secret.startswith((PUBLIC, PRIVATE)):
        key = _public(secret) if secret.startswith(PUBLIC) else _private(secret).public_key()
        return any(_verified(key, value, message) for kind, value in signatures if kind == "v1a")
    right = _signature(secret, message).removeprefix("v1,").encode()
    return any(hmac.compare_digest(right, value.encode()) for kind, value in signatures if kind == "v1")


def _verified(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


@lru_cache(maxsize=1024)
def _key(secret: str) -> bytes:
    key = _decoded(secret.removeprefix(SYMMETRIC))
    if not _SHORTEST_KEY <= len(key) <= 64:
        raise BadSecret(BadSecret.__doc__)
    return key


@lru_cache(maxsize=1024)
def _private(secret: str) -> Ed25519PrivateKey:
    seed = _decoded(secret.removeprefix(PRIVATE))
    if len(seed) not in {_SEED_BYTES, 2 * _SEED_BYTES}:  # some append the public key to the seed
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
