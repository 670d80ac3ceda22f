"""Identifiers: time-ordered, so that an index on them stays dense and a list sorted by id is sorted by age."""

from uuid import UUID

import uuid_utils
import uuid_utils.compat


def uuid7() -> UUID:
    """Return a new UUIDv7 (RFC 9562)."""
    return uuid_utils.compat.uuid7()


def uuid7_text() -> str:
    """Return a new UUIDv7 as text, in a fraction of the time."""
    return str(uuid_utils.uuid7())
