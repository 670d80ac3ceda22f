from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from executions.domain.lineage import SAME
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.credential_checks import wrong_types
from executions.nodes.http.hook_responses import FixedResponse
from webhooks.inbound.schemes import CREDENTIAL_TYPE, SIGNING, Scheme, credentials_of
from workflow_platform.core.requests.client_address import networks
from workflow_platform.core.validation import Location, field_errors

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
SEGMENT = r"[A-Za-z0-9._~-]+"
PATH = rf"{SEGMENT}(/({SEGMENT}|:[A-Za-z_][A-Za-z0-9_]{{0,49}}))*"
MAX_PARTS = 6
"""The most parts of a path with parameters."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")
RESERVED = frozenset({"resume", "test"})
"""Reserved first parts of paths under /hooks/."""


class WebhookTriggerParameters(Parameters):
    path: str = Field(
        title="Path",
        description="The URL is /hooks/<path>, and /hooks/<workspace slug>/<path> in every workspace but the first."
        " A part that begins with a colon is a parameter: users/:id matches users/7, with params.id 7 in the item."
        " With /hooks/test/ instead of /hooks/ it is the test URL: requests are verified and shown on the workflow's"
        " page but start no execution.",
        min_length=1,
        max_length=200,
        pattern=f"^{PATH}$",
    )
    methods: list[Method] = Field(["POST"], title="Methods", description="The HTTP methods that start the workflow.")
    auth: Scheme | None = Field(
        None,
        title="Authentication",
        description="How callers authenticate. The secret is in the credential that is named here; signatures need a"
        " credential of the type webhook_secret.",
    )
    respond: Literal["immediately", "on_completion", "respond_node"] = Field(
        "immediately",
        title="Respond",
        description="When to respond: with 202 when the execution is stored; with the items of the last nodes when it"
        " is completed; or with the response of a respond_to_webhook node. After 30 s the response is 202.",
    )
    default_response: FixedResponse | None = Field(
        None,
        title="Default response",
        description="The response if no respond_to_webhook node ran: {status, headers, body}. By default 200 without a"
        " body.",
    )
    allow_from: list[Annotated[str, StringConstraints(max_length=50)]] = Field(
        [],
        title="Allowed addresses",
        description="The addresses or networks that may call, for example 192.0.2.7 or 10.0.0.0/8. If empty, all may."
        " Behind proxies, set TRUSTED_PROXIES.",
        max_length=200,
    )
    allowed_origins: list[Annotated[str, StringConstraints(max_length=300, to_lower=True)]] | None = Field(
        None,
        title="Allowed origins",
        description="The sites whose pages may call the webhook from a browser (CORS), for example"
        " https://shop.example; * for all. By default all may, but none if addresses are limited.",
        max_length=100,
    )
    requests_per_second: float | None = Field(
        None,
        title="Requests per second",
        description="Further requests get 429 with Retry-After. Counted per web process.",
        gt=0,
        le=100_000,
    )
    requests_per_second_and_address: float | None = Field(
        None,
        title="Requests per second from one address",
        description="The same limit for each calling address (for IPv6, each /64).",
        gt=0,
        le=100_000,
    )
    max_body_bytes: int | None = Field(
        None,
        title="Largest body",
        description="In bytes. Larger bodies get 413. The limit of the installation also applies.",
        gt=0,
    )

    @field_validator("path")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value.partition("/")[0] in RESERVED:
            raise PydanticCustomError("reserved", "The path must not begin with test or resume; these are reserved.")
        parts = value.split("/")
        names = [part for part in parts if part.startswith(":")]
        if len(set(names)) < len(names):
            raise PydanticCustomError("duplicate", "Two parameters of the path have the same name.")
        if names and len(parts) > MAX_PARTS:
            limit = {"parts": len(parts), "limit": MAX_PARTS}
            raise PydanticCustomError(
                "too_many_parts", "A path with parameters has at most {limit} parts; this one has {parts}.", limit
            )
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: list[str] | None) -> list[str] | None:
        for entry in value or ():
            if entry not in {"*", "null"} and not _ORIGIN.fullmatch(entry):
                raise PydanticCustomError(
                    "origin", "{entry} is no origin. Write https://shop.example, or * for all.", {"entry": repr(entry)}
                )
        return value

    @field_validator("allow_from")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for entry in value:
            try:
                networks((entry,))
            except ValueError:
                raise PydanticCustomError(
                    "network", "{entry} is neither an IP address nor a network.", {"entry": repr(entry)}
                ) from None
        return value


class WebhookTrigger(NodeType[WebhookTriggerParameters]):
    type = "webhook_trigger"
    label = "Webhook trigger"
    description = (
        "Starts when a request arrives at /hooks/…. Its item is the request: method, path, headers (without"
        " authentication), query and body, and params if the path has parameters. JSON is parsed, a form becomes an"
        " object, a file in it {filename, content_type, size, base64}, and a binary body {base64, size}. Files are"
        " also under $binary."
    )
    icon = "webhook"
    category = "trigger"
    Parameters = WebhookTriggerParameters
    trigger = True

    def run(self, context: NodeContext[Any]) -> NodeResult:
        if context.items:
            return NodeResult({"main": context.items}, {"main": SAME})
        return NodeResult({"main": [{}]}, {"main": [[]]})

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each invalid parameter. Expressions are invalid, since there is no item to
        evaluate them on."""
        try:
            self.Parameters.model_validate(dict(parameters))
        except ValidationError as error:
            return [(e.path, e.code, e.message) for e in field_errors(error, "parameters", locate=_without_tag)]
        return []

    def credentials_of(self, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield (field, name or id) for each credential of the authentication."""
        auth = parameters.get("auth")
        if not isinstance(auth, dict):
            return
        also = auth.get("also")
        references = [("auth.credential", auth.get("credential"))]
        references += [
            (f"auth.also[{index}]", reference) for index, reference in enumerate(also if isinstance(also, list) else [])
        ]
        for field, name in references:
            if isinstance(name, str) and name:
                yield f"parameters.{field}", name

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each credential whose type does not match the scheme."""
        auth = self.Parameters.model_validate(dict(parameters)).auth
        if auth is None or not credentials_of(auth):
            return []
        required_type = CREDENTIAL_TYPE.get(auth.type, SIGNING)
        return wrong_types(self.credentials_of(parameters), workspace, required_type)


def _without_tag(location: Location) -> Location:
    """Return the location without the type of the authentication, which pydantic counts as a part of it."""
    return ("auth", *location[2:]) if location[0] == "auth" else location
