from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, Field

from executions.domain.errors import NodeError
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from webhooks.inbound import answer_headers

MAX_BODY_BYTES = 1024 * 1024
MAX_HEADERS = 50


def _as_text(value: Any) -> Any:
    """Return a number or truth value, which an expression may give, as a header has it."""
    return value if not isinstance(value, bool | int | float) else orjson.dumps(value).decode()


class RespondToWebhookParameters(Parameters):
    status: int = Field(200, title="Status", description="The HTTP status of the answer.", ge=200, le=599)
    headers: dict[str, Annotated[str, BeforeValidator(_as_text)]] = Field(
        {},
        title="Headers",
        description="Of the answer. Cookies, security policies and what frames the answer cannot be set.",
        max_length=MAX_HEADERS,
    )
    body: Any = Field(
        "{{ $json }}",
        title="Body",
        description="Text is sent as it is (text/plain), anything else as JSON, unless a header Content-Type says what"
        " it is. Browsers show an answer without running its scripts.",
    )


class RespondToWebhook(NodeType[RespondToWebhookParameters]):
    type = "respond_to_webhook"
    label = "Respond to webhook"
    description = (
        "Answers the request that started the workflow (webhook trigger: respond_node), and hands its items on."
    )
    icon = "reply"
    category = "network"
    Parameters = RespondToWebhookParameters
    cacheable = False

    def run(self, context: NodeContext[RespondToWebhookParameters]) -> NodeResult:
        parameters = context.parameters()
        for name, said in _problems(parameters.headers):
            raise NodeError(f"parameters.headers.{name[: answer_headers.MAX_NAME]}: {said}")
        response = parameters.model_dump()
        if len(orjson.dumps(response)) > MAX_BODY_BYTES:
            raise NodeError(f"parameters.body: an answer has at most {MAX_BODY_BYTES} bytes.")
        return NodeResult({"main": context.items}, response=response)

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each bad parameter, and each header that a workflow may not set."""
        found = super().check_parameters(parameters)
        headers = parameters.get("headers")
        if isinstance(headers, dict):
            found += [(f"parameters.headers.{name}", "header", said) for name, said in _problems(headers)]
        return found


def _problems(headers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, what is wrong) for each bad header. A value that is an expression is judged when it is known."""
    for name, value in headers.items():
        text = _as_text(value)
        known = text if isinstance(text, str) and "{{" not in text else None
        if (said := answer_headers.problem(name, known)) is not None:
            yield name, said
