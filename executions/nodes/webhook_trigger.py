from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.credential_checks import of_other_types
from webhooks.inbound.schemes import CREDENTIAL_TYPE, SIGNING, Scheme, credentials_of
from workflow_platform.core.requests.client_address import networks
from workflow_platform.core.validation import Location, field_errors

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
PATH = r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*"
RESERVED = frozenset({"resume", "test"})
"""First parts of paths under /hooks/ that have a meaning of their own."""


class WebhookTriggerParameters(Parameters):
    path: str = Field(
        title="Path",
        description="What follows /hooks/ in the URL, or /hooks/<workspace slug>/ in every workspace but the first."
        " /hooks/test/ in place of /hooks/ makes it the test URL: what is sent there is checked, shown on the"
        " workflow's page, and starts nothing.",
        min_length=1,
        max_length=200,
        pattern=f"^{PATH}$",
    )
    methods: list[Method] = Field(["POST"], title="Methods", description="Which HTTP methods start the workflow.")
    auth: Scheme | None = Field(
        None,
        title="Authentication",
        description="How a caller proves who they are. The secret lies in a credential of the workspace, which is"
        " named here; for signatures it is one of the type webhook_secret.",
    )
    respond: Literal["immediately", "on_completion", "respond_node"] = Field(
        "immediately",
        title="Respond",
        description="When the caller is answered: with 202 once the execution is stored; with the items of its last"
        " node when it has completed; or with what its respond_to_webhook node says. After 30 s it is 202 in any case.",
    )
    allow_from: list[Annotated[str, StringConstraints(max_length=50)]] = Field(
        [],
        title="Allowed addresses",
        description="Addresses or networks, such as 192.0.2.7 or 10.0.0.0/8, that may call; empty: all may."
        " Behind proxies, TRUSTED_PROXIES has to name these.",
        max_length=200,
    )
    requests_per_second: float | None = Field(
        None,
        title="Requests per second",
        description="More are answered with 429 and Retry-After. Counted in each web process.",
        gt=0,
        le=100_000,
    )
    requests_per_second_and_address: float | None = Field(
        None,
        title="Requests per second from one address",
        description="The same for each address that calls (of IPv6, each /64).",
        gt=0,
        le=100_000,
    )
    max_body_bytes: int | None = Field(
        None,
        title="Largest body",
        description="In bytes; larger ones are answered with 413. Nothing above the installation's own limit is taken.",
        gt=0,
    )

    @field_validator("path")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value.partition("/")[0] in RESERVED:
            raise PydanticCustomError("reserved", "Paths that begin with test or resume mean something else.")
        return value

    @field_validator("allow_from")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for entry in value:
            try:
                networks((entry,))
            except ValueError:
                raise PydanticCustomError(
                    "network", "{entry} is neither an address nor a network.", {"entry": repr(entry)}
                ) from None
        return value


class WebhookTrigger(NodeType[WebhookTriggerParameters]):
    type = "webhook_trigger"
    label = "Webhook trigger"
    description = (
        "Starts when a request arrives at /hooks/…. Its item is the request: method, path, headers (without those that"
        " prove who calls), query and body. JSON is parsed, a form is an object, a file in it"
        " {filename, content_type, size, base64}, and a body that is no text {base64, size}."
    )
    icon = "webhook"
    category = "trigger"
    Parameters = WebhookTriggerParameters
    trigger = True

    def run(self, context: NodeContext[Any]) -> NodeResult:
        return NodeResult({"main": context.items or [{}]})

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each bad parameter; an expression is one, as there is nothing yet that it
        could be computed from."""
        try:
            self.Parameters.model_validate(dict(parameters))
        except ValidationError as error:
            return [(e.path, e.code, e.message) for e in field_errors(error, "parameters", locate=_without_tag)]
        return []

    def credentials_of(self, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield (field, name or id) for each credential that proves who calls."""
        auth = parameters.get("auth")
        if not isinstance(auth, dict):
            return
        also = auth.get("also")
        named = [("auth.credential", auth.get("credential"))]
        named += [(f"auth.also[{index}]", each) for index, each in enumerate(also if isinstance(also, list) else [])]
        for field, name in named:
            if isinstance(name, str) and name:
                yield f"parameters.{field}", name

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each credential that is of another type than the scheme takes."""
        auth = self.Parameters.model_validate(dict(parameters)).auth
        if auth is None or not credentials_of(auth):
            return []
        wanted = CREDENTIAL_TYPE.get(auth.type, SIGNING)
        return of_other_types(self.credentials_of(parameters), workspace, wanted)


def _without_tag(location: Location) -> Location:
    """Return the location without the type of the authentication, which pydantic counts as a part of it."""
    return ("auth", *location[2:]) if location[0] == "auth" else location
