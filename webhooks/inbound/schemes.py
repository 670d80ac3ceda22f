"""The authentication schemes of webhook triggers: the models of `auth`. Pure; `verify` implements them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
Reference = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_FURTHER: Any = Field(
    [],
    title="Further credentials",
    description="Names or ids of further accepted credentials, such as the old one while callers change to a new one.",
    max_length=4,
)
_TOLERANCE: Any = Field(
    300,
    title="Tolerance",
    description="How many seconds the timestamp of a request may differ from the current time.",
    ge=1,
    le=86_400,
)
_ID_HEADER: Any = Field(
    "",
    title="Message id header",
    description="The header with the id of a message. A repeated id starts the workflow only once, and gets the same"
    " response. A request without this header is rejected.",
    max_length=200,
    pattern=r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+)?$",
)


class _Scheme(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Proof(_Scheme):
    credential: Reference = Field(
        title="Credential",
        description="Name or id of the credential with the secret that callers use.",
        json_schema_extra={"format": "credential"},
    )
    also: list[Reference] = _FURTHER


class Open(_Scheme):
    """No authentication: anyone who knows the URL may call."""

    type: Literal["none"] = "none"


class Basic(_Proof):
    """Username and password (HTTP Basic): a credential of the type `basic`."""

    type: Literal["basic"]
    id_header: str = _ID_HEADER


class Bearer(_Proof):
    """`Authorization: Bearer …`: a credential of the type `bearer`."""

    type: Literal["bearer"]
    id_header: str = _ID_HEADER


class Header(_Proof):
    """A secret in a header: a credential of the type `header`, which names the header."""

    type: Literal["header"]
    id_header: str = _ID_HEADER


class StandardWebhooks(_Proof):
    """`webhook-id`, `webhook-timestamp`, `webhook-signature`, signed with `whsec_…` (v1); a credential with a public
    key `whpk_…` verifies v1a."""

    type: Literal["standard_webhooks"]
    tolerance_seconds: int = _TOLERANCE


class GitHub(_Proof):
    """`X-Hub-Signature-256`. `X-GitHub-Delivery` is the message id; GitHub does not sign it."""

    type: Literal["github"]


class Stripe(_Proof):
    """`Stripe-Signature`. The id of the event is the message id."""

    type: Literal["stripe"]
    tolerance_seconds: int = _TOLERANCE


class Slack(_Proof):
    """`X-Slack-Signature`. `event_id` is the message id. The URL verification of Slack is answered."""

    type: Literal["slack"]
    tolerance_seconds: int = _TOLERANCE


class Hmac(_Proof):
    """An HMAC of the body in a header."""

    type: Literal["hmac"]
    header: str = Field(
        "X-Signature",
        title="Header",
        description="The header with the signature.",
        min_length=1,
        max_length=200,
        pattern=HEADER_NAME,
    )
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = Field("sha256", title="Algorithm")
    encoding: Literal["hex", "base64"] = Field("hex", title="Encoding")
    prefix: str = Field(
        "", title="Prefix", description="The text before the signature, such as sha256=.", max_length=40
    )
    timestamp_header: str = Field(
        "",
        title="Timestamp header",
        description="If set, the signature covers timestamp, separator and body, and old requests are rejected. The"
        " timestamp is in seconds or milliseconds since 1970.",
        max_length=200,
        pattern=r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+)?$",
    )
    separator: str = Field(".", title="Separator", description="The text between timestamp and body.", max_length=10)
    tolerance_seconds: int = _TOLERANCE
    id_header: str = _ID_HEADER


Scheme = Annotated[
    Open | Basic | Bearer | Header | StandardWebhooks | GitHub | Stripe | Slack | Hmac,
    Field(discriminator="type"),
]
"""A scheme, discriminated by `type`."""

CREDENTIAL_TYPE = {"basic": "basic", "bearer": "bearer", "header": "header"}
"""The credential type of a scheme; all others use `SIGNING`."""
SIGNING = "webhook_secret"


def credentials_of(scheme: Scheme) -> list[str]:
    """Return the names or ids of the credentials of a scheme, the main one first."""
    return [] if isinstance(scheme, Open) else [scheme.credential, *scheme.also]
