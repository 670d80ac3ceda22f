"""The secrets of an endpoint as they change: made, given, rotated with an overlap, and what may be shown of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone
from pydantic import TypeAdapter

from webhooks import signing
from webhooks.secrets import Auth, Secrets, SigningSecret
from webhooks.signing import Kind
from webhooks.validation import Refused
from workflow_platform.core.identifiers import uuid7

MOST_AT_A_TIME = 5
"""Each that still signs adds a signature to every request."""
_AUTH = TypeAdapter[Auth](Auth)
_SHOWN = frozenset({"type", "name", "username", "header", "algorithm", "prefix"})


def made(kind: str, given: str | None = None) -> SigningSecret:
    """Return a new signing secret of a kind (`v1`, `v1a`), or the given one. Raises Refused."""
    known: Kind = "v1a" if kind == "v1a" else "v1"
    if given is not None:
        check(known, given)
    secret = signing.new_secret(known) if given is None else given
    return SigningSecret(id=str(uuid7()), kind=known, secret=secret, created_at=timezone.now())


def check(kind: str, secret: str) -> None:
    """Refuse what does not sign in this way. Never says the secret."""
    prefix = signing.PRIVATE if kind == "v1a" else signing.SYMMETRIC
    wanted = "the 32 bytes of an Ed25519 seed" if kind == "v1a" else "24 to 64 bytes"
    try:
        if not secret.startswith(prefix):
            raise signing.BadSecret
        signing.check_secret(secret)
    except signing.BadSecret:
        raise Refused(f"A secret for {kind} is {prefix} and then {wanted} in Base64.") from None


def rotated(held: Secrets, kind: str, given: str | None, overlap: timedelta) -> tuple[Secrets, SigningSecret]:
    """Return the secrets with a new one that signs from now on; those before sign too until the overlap is over.

    Raises Refused, also where too many sign already.
    """
    now = timezone.now()
    new = made(kind, given)
    kept = []
    for old in held.signing_at(now):
        if old.secret == new.secret:
            raise Refused("This secret signs already.")
        ends = now + overlap
        kept.append(old.model_copy(update={"expires_at": min(old.expires_at or ends, ends)}))
    kept = [old for old in kept if old.expires_at is not None and old.expires_at > now]
    if len(kept) >= MOST_AT_A_TIME:
        raise Refused(
            f"{len(kept)} secrets sign already, the most there may be: wait until one has run out, or end them now "
            "with overlap_hours 0."
        )
    return held.model_copy(update={"signing": [new, *kept]}), new


def shown_signing(held: Secrets) -> list[dict[str, Any]]:
    """Return which secrets sign now, and nothing of what they are."""
    return [
        {
            "id": each.id,
            "kind": each.kind,
            "created_at": each.created_at,
            "expires_at": each.expires_at,
            "public_key": signing.public_key(each.secret) if each.kind == "v1a" else None,
        }
        for each in held.signing_at(timezone.now())
    ]


def shown_auth(auth: Auth) -> dict[str, Any]:
    """Return the parts of an authentication that are no secrets."""
    return {name: value for name, value in auth.model_dump().items() if name in _SHOWN}


def merged_auth(held: Auth, given: Mapping[str, Any]) -> Auth:
    """Return the authentication that is given; of the same type, what it leaves out stays. Raises pydantic's
    ValidationError."""
    kept = held.model_dump() if held.type == given.get("type") else {}
    return _AUTH.validate_python(kept | dict(given))


def merged_headers(held: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the headers that are given; one whose value is None keeps the value that it has. Raises Refused."""
    before = {name.lower(): value for name, value in held.items()}
    found = {name: before.get(name.lower()) if value is None else value for name, value in given.items()}
    if unknown := [name for name, value in found.items() if value is None]:
        raise Refused(f"{unknown[0][:60]} has no value yet, so that there is none to keep.")
    return {name: value for name, value in found.items() if value is not None}
