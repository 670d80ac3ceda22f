"""Identifiers: time-ordered, so that an index on them stays dense and a list sorted by id is sorted by age."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils
import uuid_utils.compat

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_7, _VARIANT = 7 << 76, 2 << 62
_COUNTER_BITS, _RANDOM_BITS = 20, 42


def uuid7() -> UUID:
    """Return a new UUIDv7 (RFC 9562)."""
    return uuid_utils.compat.uuid7()


def uuid7_text() -> str:
    """Return a new UUIDv7 as text, in a fraction of the time."""
    return str(uuid_utils.uuid7())


def uuid7_texts(at: datetime, count: int) -> list[str]:
    """Return up to a million new UUIDv7 of one moment as texts, each greater than the one before.

    They contain the moment to a fraction of a microsecond (RFC 9562, method 3), a counter, and random bits: those of a
    later moment of the same clock are greater, whichever process creates them.
    """
    since = at - _EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    milliseconds, rest = divmod(microseconds, 1_000)
    base = milliseconds << 80 | _VERSION_7 | (rest * 4096 // 1_000) << 64 | _VARIANT
    if count > 1 << _COUNTER_BITS:
        raise ValueError("Up to a million at a time.")
    texts = []
    for number in range(count):
        text = f"{base | number << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS):032x}"
        texts.append(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")
    return texts
