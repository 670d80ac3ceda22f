"""The login of a client, and what its user may see."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.http import parse_cookie

from workflow_platform.core.accounts.models import User

NOT_FOUND = "The stream does not exist, or you may not see it."


@dataclass(frozen=True, slots=True)
class Login:
    """The login of a client: a bearer token, or the key of a session."""

    bearer: str | None
    session_key: str | None

    @classmethod
    def of(cls, headers: dict[bytes, bytes], subprotocols: Collection[str] = ()) -> Login:
        """Return the login of a request: `Authorization: Bearer`, the subprotocols `bearer, <token>`, or the cookie."""
        scheme, _, raw = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            return cls(raw.strip(), None)
        words = list(subprotocols)
        if len(words) >= 2 and words[0] == "bearer":
            return cls(words[1], None)
        cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
        return cls(None, cookies.get(settings.SESSION_COOKIE_NAME))


@dataclass(frozen=True, slots=True)
class Viewer:
    """A user and what they may see now."""

    user: User
    staff: bool
    workspace_ids: frozenset[str]
