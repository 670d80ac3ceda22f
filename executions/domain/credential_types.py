"""The credential types: their fields, and where each field goes in a request. Pure; forms are built from them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote_plus

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from workflow_platform.core.validation import field_errors

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = {"host", "content-length", "transfer-encoding", "connection"}
SECRET: dict[str, JsonValue] = {"writeOnly": True, "format": "password"}


def _(text: str) -> str:
    """Mark a text that the page of credentials shows in its language. Here and in the API it stays English."""
    return text


def _printable(value: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError("Control characters and line breaks are not allowed.")
    return value


def _for_a_header(value: str) -> str:
    value = _printable(value)
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("A header value can contain only Latin-1 characters.") from None
    if value != value.strip():
        raise ValueError("The value must not begin or end with spaces.")
    return value


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value) or value.lower() in _FRAMING:
        raise ValueError("This is not a valid header name, or the header is set by the platform.")
    return value


def _no_colon(value: str) -> str:
    if ":" in value:
        raise ValueError("A username cannot contain a colon.")
    return _printable(value)


def _http_url(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("The URL must begin with https:// or http://.")
    return _printable(value)


HeaderSecret = Annotated[str, AfterValidator(_for_a_header)]
Text = Annotated[str, AfterValidator(_printable)]
_REDACTED = _("Redacted in outputs, errors and logs if it has at least 6 characters.")
"""The number is SHORTEST of `redaction`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a credential adds to a request."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)


class Fields(BaseModel):
    """The base of the fields of a credential type. Values never appear in a repr or a validation error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)
    label: ClassVar[str]
    description: ClassVar[str]
    for_requests: ClassVar[bool] = True
    """Whether it can authenticate an HTTP request."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    __str__ = __repr__

    @classmethod
    def secret_names(cls) -> set[str]:
        """Return the names of the write-only fields."""
        extras = {name: info.json_schema_extra for name, info in cls.model_fields.items()}
        return {name for name, extra in extras.items() if isinstance(extra, dict) and extra.get("writeOnly")}

    def secrets(self) -> list[str]:
        """Return the values to redact, in each form in which they are sent."""
        return [value for name in self.secret_names() if (value := getattr(self, name))]

    def shown(self) -> dict[str, Any]:
        """Return the fields that admins may see: those that are not secret."""
        hidden = set(self.secrets())
        return {
            name: value
            for name, value in self.model_dump().items()
            if value not in hidden and name not in self.secret_names()
        }

    def parts(self) -> Parts:
        """Return the parts to add to a request; empty if they must be fetched first (OAuth2)."""
        return Parts()


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


class BasicLogin(Fields):
    model_config = ConfigDict(title="Basic")
    label = _("Basic")
    description = _("A username and password (HTTP Basic authentication).")

    username: Annotated[str, AfterValidator(_no_colon)] = Field(title=_("Username"), min_length=1, max_length=1000)
    password: Text = Field("", title=_("Password"), description=_REDACTED, max_length=4000, json_schema_extra=SECRET)

    def secrets(self) -> list[str]:
        # Some services take an API key as the username, with no password.
        return [self.password or self.username, _basic(self.username, self.password)]

    def parts(self) -> Parts:
        return Parts(headers={"Authorization": f"Basic {_basic(self.username, self.password)}"})


class BearerLogin(Fields):
    model_config = ConfigDict(title="Bearer")
    label = _("Bearer token")
    description = _("A token in the header Authorization: Bearer …")

    token: HeaderSecret = Field(
        title=_("Token"), description=_REDACTED, min_length=1, max_length=16_000, json_schema_extra=SECRET
    )

    def parts(self) -> Parts:
        return Parts(headers={"Authorization": f"Bearer {self.token}"})


class HeaderLogin(Fields):
    model_config = ConfigDict(title="Header")
    label = _("Header")
    description = _("An API key in a header of your choice.")

    name: Annotated[str, AfterValidator(_header_name)] = Field(
        title=_("Header"), description=_("For example X-API-Key."), min_length=1, max_length=200
    )
    value: HeaderSecret = Field(
        title=_("Value"), description=_REDACTED, min_length=1, max_length=16_000, json_schema_extra=SECRET
    )

    def parts(self) -> Parts:
        return Parts(headers={self.name: self.value})


class QueryLogin(Fields):
    model_config = ConfigDict(title="Query")
    label = _("Query parameter")
    description = _("An API key in the URL. Servers may log URLs; use a header if the service supports it.")

    name: Text = Field(title=_("Parameter"), min_length=1, max_length=200)
    value: Text = Field(
        title=_("Value"), description=_REDACTED, min_length=1, max_length=4000, json_schema_extra=SECRET
    )

    def parts(self) -> Parts:
        return Parts(query={self.name: self.value})


class OAuth2ClientCredentials(Fields):
    label = _("OAuth2 client credentials")
    description = _("Fetches an access token with the client secret and renews it when it expires.")

    token_url: Annotated[str, AfterValidator(_http_url)] = Field(title=_("Token URL"), max_length=2000)
    client_id: Text = Field(title=_("Client ID"), min_length=1, max_length=1000)
    client_secret: Text = Field(
        title=_("Client secret"), description=_REDACTED, min_length=1, max_length=4000, json_schema_extra=SECRET
    )
    scope: Text = Field("", title=_("Scope"), description=_("Separate several scopes with spaces."), max_length=2000)
    audience: Text = Field("", title=_("Audience"), description=_("Required by some services."), max_length=2000)
    authentication: Literal["basic", "body"] = Field(
        "basic",
        title=_("Client authentication"),
        description=_("Send client ID and secret in a header (basic) or in the body."),
    )

    def basic(self) -> str:
        """Return id and secret in the header format of RFC 6749, 2.3.1."""
        return _basic(quote_plus(self.client_id), quote_plus(self.client_secret))

    def secrets(self) -> list[str]:
        return [self.client_secret, self.basic(), _basic(self.client_id, self.client_secret)]

    @model_validator(mode="after")
    def _url_without_secret(self) -> OAuth2ClientCredentials:
        if self.client_secret in self.token_url:
            raise ValueError("The token URL must not contain the client secret.")
        return self


class WebhookSecret(Fields):
    label = _("Webhook signing secret")
    description = _("The secret that signs requests to a webhook trigger. It is never sent.")
    for_requests = False

    secret: Text = Field(
        title=_("Secret"),
        description=_(
            "The secret as the calling service shows it; for Standard Webhooks whsec_… or a public key whpk_…."
        ),
        min_length=8,
        max_length=1000,
        json_schema_extra=SECRET,
    )
    previous: Text = Field(
        "",
        title=_("Previous secret"),
        description=_(
            "Also accepted while the service changes to a new secret. Afterwards, enter the new one here too."
        ),
        max_length=1000,
        json_schema_extra=SECRET,
    )


class PostgresLogin(Fields):
    label = _("PostgreSQL")
    description = _("A database and its login, for PostgreSQL nodes.")
    for_requests = False

    host: Text = Field(
        "",
        title=_("Host"),
        description=_(
            "If empty, each node sets the host, and the password is sent to any server that a node names"
            " unless the allowed hosts restrict it."
        ),
        max_length=253,
    )
    port: int = Field(5432, title=_("Port"), ge=1, le=65_535)
    dbname: Text = Field("", title=_("Database"), max_length=63)
    user: Text = Field("", title=_("User"), max_length=63)
    password: str = Field("", title=_("Password"), description=_REDACTED, max_length=1000, json_schema_extra=SECRET)
    sslmode: Literal["disable", "prefer", "require", "verify-full"] = Field(
        "prefer", title=_("TLS"), description=_("verify-full also verifies the server's certificate.")
    )

    def secrets(self) -> list[str]:
        return [self.password, _basic(self.user, self.password)] if self.password else []


class CryptoSecret(Fields):
    label = _("Crypto secret")
    description = _("The key that crypto nodes sign with (HMAC). It is never sent.")
    for_requests = False

    secret: str = Field(
        title=_("Secret"),
        description=_(
            "The key; text is used as UTF-8. Redacted in outputs, errors and logs if it has at least 6 characters."
        ),
        min_length=1,
        max_length=10_000,
        json_schema_extra=SECRET,
    )


CREDENTIAL_TYPES: dict[str, type[Fields]] = {
    "basic": BasicLogin,
    "bearer": BearerLogin,
    "header": HeaderLogin,
    "query": QueryLogin,
    "oauth2_client_credentials": OAuth2ClientCredentials,
    "webhook_secret": WebhookSecret,
    "postgres": PostgresLogin,
    "crypto": CryptoSecret,
}


class BadFields(Exception):
    """The fields of a credential do not match its type."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{error['field']}: {error['message']}" for error in errors[:3]))
        self.errors = errors


def read_fields(type_: str, data: Any) -> Fields:
    """Return the fields of a type. Raises BadFields, which names fields and never a value."""
    if type_ not in CREDENTIAL_TYPES:
        raise BadFields(
            [{"field": "type", "message": f"Must be one of {', '.join(CREDENTIAL_TYPES)}.", "code": "unknown"}]
        )
    try:
        return CREDENTIAL_TYPES[type_].model_validate(data)
    except ValidationError as error:
        errors = field_errors(error, "data", values=False)
        raise BadFields([{"field": e.dotted, "message": e.message, "code": e.code} for e in errors]) from None


def describe() -> list[dict[str, Any]]:
    """Return the types as `/api/credential-types/` shows them."""
    return [
        {"type": name, "label": kind.label, "description": kind.description, "schema": kind.model_json_schema()}
        for name, kind in CREDENTIAL_TYPES.items()
    ]
