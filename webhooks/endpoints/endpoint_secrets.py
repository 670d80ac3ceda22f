"""The secrets of an endpoint: generated, given, rotated with an overlap, merged, and shown without their values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone
from pydantic import TypeAdapter

from webhooks import signing
from webhooks.secrets import Auth, SealedSecrets, SigningSecret
from webhooks.signing import Kind
from webhooks.validation import InvalidValue
from workflow_platform.core.identifiers import uuid7

MOST_AT_A_TIME = 5
"""Each secret that signs adds a signature to every request."""
_AUTH = TypeAdapter[Auth](Auth)
_SHOWN = frozenset({"type", "name", "username", "header", "algorithm", "prefix"})


def made(kind: str, given: str | None = None) -> SigningSecret:
    """Return a signing secret of a kind (`v1`, `v1a`): the given one, or a new one. Raises InvalidValue."""
    known: Kind = "v1a" if kind == "v1a" else "v1"
    if given is not None:
        check(known, given)
    secret = signing.new_secret(known) if given is None else given
    return SigningSecret(id=str(uuid7()), kind=known, secret=secret, created_at=timezone.now())


def check(kind: str, secret: str) -> None:
    """Raise InvalidValue for a secret that is not of this kind. The message never contains the secret."""
    prefix = signing.PRIVATE if kind == "v1a" else signing.SYMMETRIC
    content = "the 32 bytes of an Ed25519 seed" if kind == "v1a" else "24 to 64 bytes"
    try:
        if not secret.startswith(prefix):
            raise signing.BadSecret
        signing.check_secret(secret)
    except signing.BadSecret:
        raise InvalidValue(f"A {kind} secret must be {prefix} followed by {content} in Base64.") from None


def rotated(
    secrets: SealedSecrets, kind: str, given: str | None, overlap: timedelta
) -> tuple[SealedSecrets, SigningSecret]:
    """Return the secrets with a new one. The previous ones still sign until the overlap ends.

    Raises InvalidValue, also if too many secrets sign already.
    """
    now = timezone.now()
    new = made(kind, given)
    kept = []
    for old in secrets.signing_at(now):
        if old.secret == new.secret:
            raise InvalidValue("This secret is already in use. Give another one.")
        ends = now + overlap
        kept.append(old.model_copy(update={"expires_at": min(old.expires_at or ends, ends)}))
    kept = [old for old in kept if old.expires_at is not None and old.expires_at > now]
    if len(kept) >= MOST_AT_A_TIME:
        raise InvalidValue(
            f"{len(kept)} secrets already sign, which is the maximum. Wait until one expires, or end them with "
            "overlap_hours 0."
        )
    return secrets.model_copy(update={"signing": [new, *kept]}), new


def shown_signing(secrets: SealedSecrets) -> list[dict[str, Any]]:
    """Return the secrets that sign now, without their values."""
    return [
        {
            "id": each.id,
            "kind": each.kind,
            "created_at": each.created_at,
            "expires_at": each.expires_at,
            "public_key": signing.public_key(each.secret) if each.kind == "v1a" else None,
        }
        for each in secrets.signing_at(timezone.now())
    ]


def shown_auth(auth: Auth) -> dict[str, Any]:
    """Return the parts of an authentication that are not secret."""
    return {name: value for name, value in auth.model_dump().items() if name in _SHOWN}


def merged_auth(stored: Auth, given: Mapping[str, Any]) -> Auth:
    """Return the given authentication; omitted parts stay if the type is the same. Raises pydantic's
    ValidationError."""
    unchanged = stored.model_dump() if stored.type == given.get("type") else {}
    return _AUTH.validate_python(unchanged | dict(given))


def merged_headers(stored: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the given headers; a value of None keeps the stored value. Raises InvalidValue."""
    before = {name.lower(): value for name, value in stored.items()}
    merged = {name: before.get(name.lower()) if value is None else value for name, value in given.items()}
    if unknown := [name for name, value in merged.items() if value is None]:
        raise InvalidValue(f"The header {unknown[0][:60]} has no stored value to keep. Give its value.")
    return {name: value for name, value in merged.items() if value is not None}
