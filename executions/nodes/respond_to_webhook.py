from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, Field

from executions.domain.errors import NodeError
from executions.domain.lineage import SAME
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from webhooks.inbound import answer_headers

MAX_BODY_BYTES = 1024 * 1024
MAX_HEADERS = 50


def _as_text(value: Any) -> Any:
    """Convert a number or boolean, which an expression may return, to text for a header."""
    return value if not isinstance(value, bool | int | float) else orjson.dumps(value).decode()


class RespondToWebhookParameters(Parameters):
    status: int = Field(200, title="Status", description="The HTTP status of the response.", ge=200, le=599)
    headers: dict[str, Annotated[str, BeforeValidator(_as_text)]] = Field(
        {},
        title="Headers",
        description="Headers of the response. Cookies, security policies and framing headers cannot be set.",
        max_length=MAX_HEADERS,
    )
    body: Any = Field(
        "{{ $json }}",
        title="Body",
        description="Text is sent as text/plain, any other value as JSON, unless the header Content-Type is set."
        " Browsers show the response without running scripts.",
    )


class RespondToWebhook(NodeType[RespondToWebhookParameters]):
    type = "respond_to_webhook"
    label = "Respond to webhook"
    description = (
        "Responds to the request that started the workflow (set Respond to respond_node in the webhook trigger)."
    )
    icon = "reply"
    category = "network"
    Parameters = RespondToWebhookParameters
    cacheable = False

    def run(self, context: NodeContext[RespondToWebhookParameters]) -> NodeResult:
        parameters = context.parameters()
        for name, problem in _problems(parameters.headers):
            raise NodeError(f"parameters.headers.{name[: answer_headers.MAX_NAME]}: {problem}")
        response = parameters.model_dump()
        if (size := len(orjson.dumps(response))) > MAX_BODY_BYTES:
            raise NodeError(f"parameters.body: the response has {size} bytes; the limit is {MAX_BODY_BYTES}.")
        return NodeResult({"main": context.items}, {"main": SAME}, response=response)

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each invalid parameter, and for each header that a workflow may not set."""
        problems = super().check_parameters(parameters)
        headers = parameters.get("headers")
        if isinstance(headers, dict):
            problems += [(f"parameters.headers.{name}", "header", problem) for name, problem in _problems(headers)]
        return problems


def _problems(headers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, problem) for each invalid header. The value of an expression is validated when it is resolved."""
    for name, value in headers.items():
        text = _as_text(value)
        literal = text if isinstance(text, str) and "{{" not in text else None
        if (problem := answer_headers.problem(name, literal)) is not None:
            yield name, problem
