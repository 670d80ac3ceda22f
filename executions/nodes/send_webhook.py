from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import orjson
from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.models import WaitKind
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters, UsableCredential, WaitFor
from executions.nodes.deliveries import Message, about
from webhooks.models import DeliveryStatus, Endpoint, Rank
from webhooks.models.endpoint import MAX_URL
from webhooks.outbox.to_endpoints import NoSuchEndpoint, find_endpoint
from webhooks.retry_schedule import Preset, RetryPolicy
from webhooks.secrets import Auth, BearerAuth, HeaderAuth, NoAuth, QueryAuth
from webhooks.sending.message import defaults

MAX_BODY_BYTES = 1024 * 1024
MAX_HEADERS = 50
ONE_TARGET = "Give exactly one of `url` and `endpoint`."
OF_THE_ENDPOINT = "The endpoint has its own; leave this out, or give a `url`."
SIGNING_PREFIXES = ("whsec_", "whsk_")
_CREDENTIAL: Any = {"format": "credential"}


class SendWebhookParameters(Parameters):
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = Field("POST", title="Method")
    url: str = Field("", title="URL", description="http or https; private addresses are refused.", max_length=MAX_URL)
    endpoint: str = Field("", title="Endpoint", description="Or the name or id of an endpoint.", max_length=200)
    headers: dict[str, str] = Field({}, title="Headers", max_length=MAX_HEADERS)
    body: Any = Field(None, title="Body", description="Text as it is, anything else as JSON; empty: the item.")
    content_type: str = Field("", title="Content type", description="Empty: by the body.", max_length=200)
    credential: str = Field(
        "", title="Credential", description="Signs the request in.", max_length=100, json_schema_extra=_CREDENTIAL
    )
    signing_credential: str = Field(
        "",
        title="Signing secret",
        description="A bearer credential whose token is the secret (whsec_… or whsk_…), as Standard Webhooks signs.",
        max_length=100,
        json_schema_extra=_CREDENTIAL,
    )
    timeout_seconds: float = Field(15, title="Timeout", description="Of each attempt, in seconds.", gt=0, le=120)
    retry: RetryPolicy = Field(RetryPolicy(), title="Retries")
    priority: Literal["high", "default", "low"] = Field("default", title="Priority")
    idempotency_key: str = Field(
        "",
        title="Idempotency key",
        description="Of a key there is one delivery in the workspace. Empty: one for each item of each node run.",
        max_length=200,
    )
    wait: bool = Field(
        False, title="Wait", description="Go on when it has ended, at `delivered` or `failed`; else at once."
    )


class SendWebhook(NodeType[SendWebhookParameters]):
    type = "send_webhook"
    label = "Send webhook"
    description = (
        "Has each item delivered to a URL or an endpoint, with retries over days where wanted. No worker is held."
    )
    icon = "send"
    category = "network"
    Parameters = SendWebhookParameters
    cacheable = False
    blocking = True
    url_parameters = ("url",)

    def output_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        return ("delivered", "failed") if parameters.get("wait") is True else self.outputs

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        if isinstance(parameters.get("wait"), str):
            problems.append(("parameters.wait", "fixed", "Which outputs there are cannot hang on an expression."))
        if bool(parameters.get("url")) == bool(parameters.get("endpoint")):
            problems.append(("parameters", "choice", ONE_TARGET))
        elif parameters.get("endpoint"):
            own = {"method", "headers", "credential", "signing_credential", "timeout_seconds", "retry"}
            problems += [(f"parameters.{name}", "unused", OF_THE_ENDPOINT) for name in sorted(own & set(parameters))]
        return problems

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        wanted = str(parameters.get("endpoint") or "")
        if not wanted or "{{" in wanted:
            return []
        try:
            find_endpoint(workspace, wanted)
        except NoSuchEndpoint as error:
            return [("parameters.endpoint", "unknown", str(error))]
        return []

    def run(self, context: NodeContext[SendWebhookParameters]) -> NodeResult:
        if context.outcome is not None:
            return NodeResult(_by_end(context.outcome["deliveries"]))
        if not context.items:
            return NodeResult({})
        assert context.deliver is not None
        wait = context.node.parameters.get("wait") is True
        deliveries = context.deliver(_Messages(context).all(), wait)
        if not wait:
            return NodeResult({"main": [{"delivery_id": str(d.pk), "status": "pending"} for d in deliveries]})
        if all(delivery.ended_at is not None for delivery in deliveries):
            return NodeResult(_by_end([about(delivery) for delivery in deliveries]))
        return NodeResult(wait_for=WaitFor(_reason(context, len(deliveries)), kind=WaitKind.DELIVERY))

    def describe(self) -> dict[str, Any]:
        described = super().describe()
        described["parameters"]["properties"]["retry"]["description"] = "; ".join(
            f"{preset}: {RetryPolicy(preset=preset).in_words(defaults())}" for preset in _PRESETS
        )
        return described


_PRESETS: tuple[Preset, ...] = ("quick", "standard")


def _by_end(deliveries: Items) -> dict[str, list[Item]]:
    outputs: dict[str, list[Item]] = {"delivered": [], "failed": []}
    for delivery in deliveries:
        outputs["delivered" if delivery["status"] == DeliveryStatus.DELIVERED else "failed"].append(delivery)
    return outputs


def _reason(context: NodeContext[SendWebhookParameters], count: int) -> str:
    what = "a delivery" if count == 1 else f"{count} deliveries"
    if context.node.parameters.get("endpoint"):
        return f"Waits for the end of {what} ({'its' if count == 1 else 'their'} endpoint says how often it is tried)."
    return f"Waits for the end of {what} ({context.parameters().retry.in_words(defaults())})."


class _Messages:
    """The messages of a node run: one for each item. Credentials and endpoints are looked up once."""

    def __init__(self, context: NodeContext[SendWebhookParameters]) -> None:
        self._context = context
        self._endpoints: dict[str, Endpoint] = {}
        self._credentials: dict[str, UsableCredential] = {}

    def all(self) -> list[Message]:
        return [self._message(index) for index in range(len(self._context.items))]

    def _message(self, index: int) -> Message:
        parameters = self._context.parameters(index)
        if bool(parameters.url) == bool(parameters.endpoint):
            raise NodeError(f"parameters: {ONE_TARGET} (item {index}).")
        body, content_type = self._body(parameters, index)
        given: dict[str, Any] = {
            "body": body,
            "content_type": content_type,
            "rank": Rank[parameters.priority.upper()],
            "idempotency_key": parameters.idempotency_key or f"{self._context.idempotency_key}/{index}",
        }
        if parameters.endpoint:
            return Message(endpoint=self._endpoint(parameters.endpoint), **given)
        return Message(
            url=parameters.url,
            method=parameters.method,
            headers=parameters.headers,
            auth=self._auth(parameters.url),
            secret=self._secret(parameters.url),
            timeout_seconds=parameters.timeout_seconds,
            retry_policy=parameters.retry,
            **given,
        )

    def _body(self, parameters: SendWebhookParameters, index: int) -> tuple[str, str]:
        wanted = self._context.items[index] if parameters.body is None else parameters.body
        if parameters.method == "GET" and not parameters.endpoint:
            body, content_type = "", ""
        elif isinstance(wanted, str):
            body, content_type = wanted, "text/plain; charset=utf-8"
        else:
            body, content_type = orjson.dumps(wanted).decode(), "application/json"
        if (size := len(body.encode(errors="surrogatepass"))) > MAX_BODY_BYTES:
            raise NodeError(f"parameters.body: {size} bytes; at most {MAX_BODY_BYTES} are sent (item {index}).")
        return body, parameters.content_type or content_type

    def _endpoint(self, reference: str) -> Endpoint:
        assert self._context.node_run is not None
        if reference not in self._endpoints:
            try:
                found = find_endpoint(self._context.node_run.execution.workspace_id, reference)
            except NoSuchEndpoint as error:
                raise NodeError(f"parameters.endpoint: {error}") from None
            self._endpoints[reference] = found
        return self._endpoints[reference]

    def _credential(self, reference: str) -> UsableCredential:
        # Opened once for all items: it is named as it is, never by an expression.
        if reference not in self._credentials:
            self._credentials[reference] = self._context.credential(reference)
        return self._credentials[reference]

    def _auth(self, url: str) -> Auth:
        """Return what signs the requests of all attempts in. A token that has to be fetched is fetched now."""
        reference = self._context.node.parameters.get("credential") or self._context.node.credentials
        if not reference:
            return NoAuth()
        headers, query = self._credential(str(reference)).apply(url, {}, {})
        for name, value in query.items():
            return QueryAuth(type="query", name=name, value=value)
        ((name, value),) = headers.items()
        if name == "Authorization" and value.startswith("Bearer "):
            return BearerAuth(type="bearer", token=value.removeprefix("Bearer "))
        return HeaderAuth(type="header", name=name, value=value)

    def _secret(self, url: str) -> str:
        reference = self._context.node.parameters.get("signing_credential")
        if not reference:
            return ""
        headers, _ = self._credential(str(reference)).apply(url, {}, {})
        secret = headers.get("Authorization", "").removeprefix("Bearer ")
        if not secret.startswith(SIGNING_PREFIXES):
            said = "must be a bearer credential whose token is a secret, whsec_… or whsk_…."
            raise NodeError(f"parameters.signing_credential: {said}")
        return secret
