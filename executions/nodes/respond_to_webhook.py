from __future__ import annotations

from typing import Any

import orjson
from pydantic import Field

from executions.nodes.base import NodeContext, NodeError, NodeResult, NodeType, Parameters

MAX_BODY_BYTES = 1024 * 1024


class RespondToWebhookParameters(Parameters):
    status: int = Field(200, title="Status", description="The HTTP status of the answer.", ge=200, le=599)
    headers: dict[str, str] = Field({}, title="Headers", description="Of the answer.", max_length=50)
    body: Any = Field("{{ $json }}", title="Body", description="Text is sent as it is, anything else as JSON.")


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
        response = parameters.model_dump()
        if any("\r" in text or "\n" in text for pair in parameters.headers.items() for text in pair):
            raise NodeError("parameters.headers: a header holds a line break.")
        if len(orjson.dumps(response)) > MAX_BODY_BYTES:
            raise NodeError(f"parameters.body: an answer has at most {MAX_BODY_BYTES} bytes.")
        return NodeResult({"main": context.items}, response=response)
