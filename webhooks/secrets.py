"""The secrets of endpoints and ad-hoc deliveries: signing secrets, authentication, header values, and the query of the
URL, which may contain a token. They are encrypted at rest."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from webhooks.models.endpoint import MAX_URL
from workflow_platform.core.outbound.addresses import shown_url
from workflow_platform.core.secrets import encryption
from workflow_platform.core.secrets.secret_names import is_secret

LONG_VALUE = 12
"""Query values of at least this length are redacted whatever their names; `format=json` is not."""


class _Sealed(BaseModel):
    """A model whose values appear in no repr and no validation error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    __str__ = __repr__


class NoAuth(_Sealed):
    type: Literal["none"] = "none"


class BearerAuth(_Sealed):
    type: Literal["bearer"]
    token: str = Field(min_length=1, max_length=8_000)


class BasicAuth(_Sealed):
    type: Literal["basic"]
    username: str = Field(min_length=1, max_length=1_000, pattern=r"^[^:]*$")
    password: str = Field("", max_length=4_000)


class HeaderAuth(_Sealed):
    """An API key in a header."""

    type: Literal["header"]
    name: str = Field(min_length=1, max_length=200, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
    value: str = Field(min_length=1, max_length=8_000)


class QueryAuth(_Sealed):
    """An API key in the query."""

    type: Literal["query"]
    name: str = Field(min_length=1, max_length=200)
    value: str = Field(min_length=1, max_length=8_000)


class HmacAuth(_Sealed):
    """The hex digest of the body in a header. GitHub's format is `sha256=<digest>`."""

    type: Literal["hmac"]
    secret: str = Field(min_length=1, max_length=4_000)
    header: str = Field("X-Signature", min_length=1, max_length=200, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
    algorithm: Literal["sha256", "sha512"] = "sha256"
    prefix: str = Field("", max_length=40)


Auth = Annotated[NoAuth | BearerAuth | BasicAuth | HeaderAuth | QueryAuth | HmacAuth, Field(discriminator="type")]


class SigningSecret(_Sealed):
    """A signing secret: `whsec_…` (v1) or `whsk_…` (v1a)."""

    id: str
    kind: Literal["v1", "v1a"]
    secret: str
    created_at: datetime
    expires_at: datetime | None = None
    """After a rotation: when the secret stops signing."""


class SealedSecrets(_Sealed):
    """The secrets of an Endpoint, or of an ad-hoc Delivery."""

    signing: list[SigningSecret] = []
    auth: Auth = NoAuth()
    headers: dict[str, str] = {}
    url: str = ""
    """The whole URL, if the row has it with a masked query; else empty."""
    other: list[str] = []
    """Further texts that must not be logged."""

    def with_url(self, url: str) -> SealedSecrets:
        """Return these secrets with the URL, if its query must be encrypted."""
        return self.model_copy(update={"url": "" if public_url(url) == url else url})

    def sealed(self) -> bytes:
        """Return the secrets, encrypted."""
        return encryption.encrypt(self.model_dump_json().encode())

    @classmethod
    def of(cls, sealed: bytes | memoryview | None) -> SealedSecrets:
        """Decrypt what `sealed` returned; None gives no secrets. Raises encryption.CannotDecrypt."""
        return cls.model_validate_json(encryption.decrypt(bytes(sealed))) if sealed else cls()

    def signing_at(self, moment: datetime) -> list[SigningSecret]:
        """Return the secrets that sign at this time, the newest first."""
        valid = [each for each in self.signing if each.expires_at is None or each.expires_at > moment]
        return sorted(valid, key=lambda each: each.created_at, reverse=True)

    def masked(self) -> list[str]:
        """Return the texts that must be redacted wherever something is logged or shown."""
        auth: Any = self.auth
        texts = [getattr(auth, name) for name in ("token", "password", "value", "secret") if getattr(auth, name, "")]
        if isinstance(auth, BasicAuth):
            texts.append(base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode())
        query = parse_qsl(urlsplit(self.url).query)
        in_url = [value for name, value in query if is_secret(name) or len(value) >= LONG_VALUE]
        return [*texts, *(each.secret for each in self.signing), *self.headers.values(), *self.other, *in_url]


def public_url(url: str) -> str:
    """Return a URL as it is stored in a row: with the values of its query masked."""
    return shown_url(url)[:MAX_URL]
