from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import orjson
from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.items import Items
from executions.models import WaitKind
from executions.nodes.base import NodeContext, NodeResult, Parameters, PerItemNodeType, UsableCredential, WaitFor
from executions.nodes.deliveries import Message, about, request_of
from executions.nodes.exchanges import ReceivedData
from executions.nodes.http.sending import Url
from executions.nodes.http.texts import Headers
from webhooks.models import DeliveryStatus, Endpoint, Rank
from webhooks.models.endpoint import MAX_URL
from webhooks.outbox.ad_hoc import AdHoc, BadAdHoc, check_ad_hoc
from webhooks.outbox.to_endpoints import NoSuchEndpoint, find_endpoint
from webhooks.retry_schedule import Preset, RetryPolicy
from webhooks.secrets import Auth, BearerAuth, HeaderAuth, NoAuth, QueryAuth
from webhooks.sending.claimed_delivery import defaults

MAX_BODY_BYTES = 1024 * 1024
MAX_HEADERS = 50
ONE_TARGET = "Give exactly one of `url` and `endpoint`."
SET_BY_ENDPOINT = "The endpoint defines this. Remove it, or use `url` instead of `endpoint`."
SIGNING_PREFIXES = ("whsec_", "whsk_")
_CREDENTIAL: Any = {"format": "credential"}


class SendWebhookParameters(Parameters):
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = Field("POST", title="Method")
    url: Url = Field(
        "", title="URL", description="http or https. Private addresses are not allowed.", max_length=MAX_URL
    )
    endpoint: str = Field(
        "", title="Endpoint", description="The name or id of an endpoint, instead of a URL.", max_length=200
    )
    headers: Headers = Field({}, title="Headers", max_length=MAX_HEADERS)
    body: Any = Field(
        None, title="Body", description="Text is sent as it is, any other value as JSON. Defaults to the item."
    )
    content_type: str = Field("", title="Content type", description="Defaults to the type of the body.", max_length=200)
    credential: str = Field(
        "", title="Credential", description="Authenticates the request.", max_length=100, json_schema_extra=_CREDENTIAL
    )
    signing_credential: str = Field(
        "",
        title="Signing secret",
        description="A bearer credential whose token is the signing secret of Standard Webhooks (whsec_… or whsk_…).",
        max_length=100,
        json_schema_extra=_CREDENTIAL,
    )
    timeout_seconds: float = Field(15, title="Timeout", description="Seconds for each attempt.", gt=0, le=120)
    retry: RetryPolicy = Field(RetryPolicy(), title="Retries")
    priority: Literal["high", "default", "low"] = Field("default", title="Priority")
    idempotency_key: str = Field(
        "",
        title="Idempotency key",
        description="At most one delivery per key in this workspace. Defaults to one key per item and node run.",
        max_length=200,
    )
    wait: bool = Field(
        False,
        title="Wait",
        description="Wait for the result and continue at `delivered` or `failed`. If off, continue at once.",
    )


class SendWebhook(PerItemNodeType[SendWebhookParameters]):
    type = "send_webhook"
    label = "Send webhook"
    description = (
        "Delivers each item to a URL or an endpoint, with retries over days. Occupies no worker while waiting."
    )
    icon = "send"
    category = "network"
    Parameters = SendWebhookParameters
    effect = "sends"
    cacheable = False
    blocking = True
    url_parameters = ("url",)

    def output_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        return ("delivered", "failed") if parameters.get("wait") is True else self.outputs

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        if isinstance(parameters.get("wait"), str):
            problems.append(
                (
                    "parameters.wait",
                    "fixed",
                    "This cannot be an expression, since it determines the outputs. Use true or false.",
                )
            )
        if bool(parameters.get("url")) == bool(parameters.get("endpoint")):
            problems.append(("parameters", "choice", ONE_TARGET))
        elif parameters.get("endpoint"):
            own = {"method", "headers", "credential", "signing_credential", "timeout_seconds", "retry"}
            problems += [(f"parameters.{name}", "unused", SET_BY_ENDPOINT) for name in sorted(own & set(parameters))]
        return problems

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        reference = str(parameters.get("endpoint") or "")
        if not reference or "{{" in reference:
            return []
        try:
            find_endpoint(workspace, reference)
        except NoSuchEndpoint as error:
            return [("parameters.endpoint", "unknown", str(error))]
        return []

    def run(self, context: NodeContext[SendWebhookParameters]) -> NodeResult:
        if context.outcome is not None:
            sent = [index for index in range(len(context.items)) if index not in context.outcomes]
            return self._ended(context, sent, context.outcome["deliveries"])
        messages = self._messages(context)
        if not messages:
            return self.result_of(context)
        assert context.deliver is not None
        wait = context.node.parameters.get("wait") is True
        deliveries = context.deliver(list(messages.values()), wait)
        for (index, message), delivery in zip(messages.items(), deliveries, strict=True):
            context.record(index, request_of(message), ReceivedData(about(delivery)))
        if not wait:
            for index, delivery in zip(messages, deliveries, strict=True):
                context.outcomes.succeed(index, {"main": [{"delivery_id": str(delivery.pk), "status": "pending"}]})
            return self.result_of(context)
        if all(delivery.ended_at is not None for delivery in deliveries):
            return self._ended(context, list(messages), [about(delivery) for delivery in deliveries])
        context.outcomes.flush()  # the items that failed are known when it continues
        return NodeResult(wait_for=WaitFor(_reason(context, len(deliveries)), kind=WaitKind.DELIVERY))

    def _messages(self, context: NodeContext[SendWebhookParameters]) -> dict[int, Message]:
        """Return the messages by item, before any is sent. Raises NodeError."""
        build, messages = _Messages(context), dict[int, Message]()
        for index in range(len(context.items)):
            if index in context.outcomes:
                continue
            try:
                messages[index] = build.message(index)
            except NodeError as error:
                self.fail_item(context, index, error)
        context.outcomes.check_finished()
        return messages

    def _ended(self, context: NodeContext[SendWebhookParameters], sent: Sequence[int], deliveries: Items) -> NodeResult:
        """Return the result of the items that were sent, whose deliveries have ended."""
        if context.resumed and context.node_run is not None and context.node_run.exchange:
            answers = {index: ReceivedData(delivery) for index, delivery in zip(sent, deliveries, strict=True)}
            context.exchanges.complete(context.node_run.exchange, context.node_run.request_digest, answers)
        for index, delivery in zip(sent, deliveries, strict=True):
            output = "delivered" if delivery["status"] == DeliveryStatus.DELIVERED else "failed"
            context.outcomes.succeed(index, {output: [delivery]})
        return self.result_of(context)

    def describe(self) -> dict[str, Any]:
        described = super().describe()
        described["parameters"]["properties"]["retry"]["description"] = "; ".join(
            f"{preset}: {RetryPolicy(preset=preset).in_words(defaults())}" for preset in _PRESETS
        )
        return described


_PRESETS: tuple[Preset, ...] = ("quick", "standard")


def _reason(context: NodeContext[SendWebhookParameters], count: int) -> str:
    what = "1 delivery" if count == 1 else f"{count} deliveries"
    if context.node.parameters.get("endpoint"):
        return f"Waiting for {what}; the endpoint defines the retries."
    return f"Waiting for {what} ({context.parameters().retry.in_words(defaults())})."


def _check(message: AdHoc, index: int) -> None:
    try:
        check_ad_hoc(message)
    except BadAdHoc as error:
        raise NodeError(f"parameters.{error.field}: {error.why.removesuffix('.')} (item {index}).") from None


class _Messages:
    """Builds the messages of a node run, one per item. Looks up each credential and endpoint once."""

    def __init__(self, context: NodeContext[SendWebhookParameters]) -> None:
        self._context = context
        self._endpoints: dict[str, Endpoint] = {}
        self._credentials: dict[str, UsableCredential] = {}

    def message(self, index: int) -> Message:
        """Return the message of an item. Raises NodeError."""
        parameters = self._context.parameters(index)
        if bool(parameters.url) == bool(parameters.endpoint):
            raise NodeError(f"parameters: {ONE_TARGET} (item {index}).")
        body, content_type = self._body(parameters, index)
        common: dict[str, Any] = {
            "body": body,
            "content_type": content_type,
            "rank": Rank[parameters.priority.upper()],
            "idempotency_key": parameters.idempotency_key or f"{self._context.idempotency_key}/{index}",
        }
        if parameters.endpoint:
            return Message(endpoint=self._endpoint(parameters.endpoint), **common)
        _check(AdHoc(workspace_id=None, url=parameters.url, method=parameters.method, **common), index)
        return Message(
            url=parameters.url,
            method=parameters.method,
            headers=parameters.headers,
            auth=self._auth(parameters.url),
            secret=self._secret(parameters.url),
            timeout_seconds=parameters.timeout_seconds,
            retry_policy=parameters.retry,
            **common,
        )

    def _body(self, parameters: SendWebhookParameters, index: int) -> tuple[str, str]:
        content = self._context.items[index] if parameters.body is None else parameters.body
        if parameters.method == "GET" and not parameters.endpoint:
            body, content_type = "", ""
        elif isinstance(content, str):
            body, content_type = content, "text/plain; charset=utf-8"
        else:
            body, content_type = orjson.dumps(content).decode(), "application/json"
        if (size := len(body.encode(errors="surrogatepass"))) > MAX_BODY_BYTES:
            raise NodeError(
                f"parameters.body: the body has {size} bytes; the limit is {MAX_BODY_BYTES} (item {index})."
            )
        return body, parameters.content_type or content_type

    def _endpoint(self, reference: str) -> Endpoint:
        assert self._context.node_run is not None
        if reference not in self._endpoints:
            try:
                endpoint = find_endpoint(self._context.node_run.execution.workspace_id, reference)
            except NoSuchEndpoint as error:
                raise NodeError(f"parameters.endpoint: {error}") from None
            self._endpoints[reference] = endpoint
        return self._endpoints[reference]

    def _credential(self, reference: str) -> UsableCredential:
        # Decrypted once for all items: the name is literal, never an expression.
        if reference not in self._credentials:
            self._credentials[reference] = self._context.credential(reference)
        return self._credentials[reference]

    def _auth(self, url: str) -> Auth:
        """Return the authentication for all attempts. An OAuth2 token is fetched now."""
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
            message = "must be a bearer credential whose token begins with whsec_ or whsk_."
            raise NodeError(f"parameters.signing_credential: {message}")
        return secret
