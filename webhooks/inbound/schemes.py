"""How a caller of a webhook proves who they are, as a trigger's `auth` has it. Pure; `verify` does what it says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
Reference = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_FURTHER: Any = Field(
    [],
    title="Further credentials",
    description="Names or ids of credentials that are taken too: the old one, while callers change to a new one.",
    max_length=4,
)
_TOLERANCE: Any = Field(
    300,
    title="Tolerance",
    description="By how many seconds the caller's clock may differ, and a request may be late.",
    ge=1,
    le=86_400,
)
_ID_HEADER: Any = Field(
    "",
    title="Header of the message's id",
    description="Callers that repeat a message send the same id: it starts the workflow once, and repetitions are"
    " answered like the first. A request without this header is refused.",
    max_length=200,
    pattern=r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+)?$",
)


class _Scheme(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Proof(_Scheme):
    credential: Reference = Field(
        title="Credential",
        description="Name or id of the workspace's credential that holds what callers prove to know.",
        json_schema_extra={"format": "credential"},
    )
    also: list[Reference] = _FURTHER


class Open(_Scheme):
    """Whoever knows the address may call."""

    type: Literal["none"] = "none"


class Basic(_Proof):
    """User name and password (HTTP Basic): a credential of the type `basic`."""

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
    """`webhook-id`, `webhook-timestamp`, `webhook-signature`, signed with `whsec_…` (v1) or, the credential being the
    public key `whpk_…`, v1a."""

    type: Literal["standard_webhooks"]
    tolerance_seconds: int = _TOLERANCE


class GitHub(_Proof):
    """`X-Hub-Signature-256`. `X-GitHub-Delivery` tells repetitions; it is not part of what GitHub signs."""

    type: Literal["github"]


class Stripe(_Proof):
    """`Stripe-Signature`; the event's id tells repetitions."""

    type: Literal["stripe"]
    tolerance_seconds: int = _TOLERANCE


class Slack(_Proof):
    """`X-Slack-Signature`; an event's `event_id` tells repetitions. Slack's check of the URL is answered."""

    type: Literal["slack"]
    tolerance_seconds: int = _TOLERANCE


class Hmac(_Proof):
    """An HMAC of the body in a header."""

    type: Literal["hmac"]
    header: str = Field(
        "X-Signature",
        title="Header",
        description="Where the signature stands.",
        min_length=1,
        max_length=200,
        pattern=HEADER_NAME,
    )
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = Field("sha256", title="Algorithm")
    encoding: Literal["hex", "base64"] = Field("hex", title="Encoding")
    prefix: str = Field("", title="Prefix", description="What precedes the signature, such as sha256=.", max_length=40)
    timestamp_header: str = Field(
        "",
        title="Header of the timestamp",
        description="If there is one, what is signed is timestamp, separator and body, and old requests are refused."
        " The timestamp is in seconds or milliseconds since 1970.",
        max_length=200,
        pattern=r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+)?$",
    )
    separator: str = Field(".", title="Separator", description="What stands between timestamp and body.", max_length=10)
    tolerance_seconds: int = _TOLERANCE
    id_header: str = _ID_HEADER


Scheme = Annotated[
    Open | Basic | Bearer | Header | StandardWebhooks | GitHub | Stripe | Slack | Hmac,
    Field(discriminator="type"),
]
"""Which scheme it is, by its `type`."""

CREDENTIAL_TYPE = {"basic": "basic", "bearer": "bearer", "header": "header"}
"""The type of credential that a scheme takes; all that are not named sign, with `SIGNING`."""
SIGNING = "webhook_secret"


def credentials_of(scheme: Scheme) -> list[str]:
    """Return the names or ids of the credentials that a scheme takes, the first one first."""
    return [] if isinstance(scheme, Open) else [scheme.credential, *scheme.also]
