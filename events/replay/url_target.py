"""The URL that a replay sends its events to, with what only its receiver may know."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import orjson

from events.replay.models import Replay
from workflow_platform.core.secrets import encryption

SECRET_PREFIX = "whsec_"  # noqa: S105 - marks a secret in Base64


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """A URL, headers for each request, and the secret that signs; without a secret nothing is signed."""

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    secret: str = field(default="", repr=False)

    def sealed(self) -> bytes:
        """Return URL, headers and secret, encrypted."""
        return encryption.encrypt(orjson.dumps({"url": self.url, "headers": self.headers, "secret": self.secret}))

    @classmethod
    def of(cls, replay: Replay) -> UrlTarget:
        """Return the target of a replay. Raises encryption.CannotDecrypt."""
        stored = orjson.loads(encryption.decrypt(bytes(replay.secrets or b"")))
        return cls(stored.get("url") or replay.url, stored["headers"], stored["secret"])


def signing_key(secret: str) -> bytes:
    """Return the HMAC key of a secret: Base64 after `whsec_`, else the secret's own bytes. Raises ValueError."""
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return secret.encode()
