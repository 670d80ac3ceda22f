from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.lineage import SAME
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.file_access import file_of
from executions.nodes.http.hook_responses import MAX_BODY_BYTES, MAX_HEADERS, encoded_text, header_problems
from executions.nodes.http.texts import Headers
from webhooks.inbound import response_headers


class RespondToWebhookParameters(Parameters):
    status: int = Field(200, title="Status", description="The HTTP status of the response.", ge=200, le=599)
    headers: Headers = Field(
        {},
        title="Headers",
        description="Headers of the response; numbers become text, and those that are null are left out. Cookies,"
        " security policies and framing headers cannot be set.",
        max_length=MAX_HEADERS,
    )
    body: Any = Field(
        "{{ $json }}",
        title="Body",
        description="Text is sent as text/plain, any other value as JSON, unless the header Content-Type is set."
        " Browsers show the response without running scripts.",
    )
    binary: str = Field(
        "",
        title="File",
        description="The key of a file of the first item ($binary) that is sent instead of the body, with its media"
        " type unless the header Content-Type is set.",
        max_length=200,
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
        for name, problem in header_problems(parameters.headers):
            raise NodeError(f"parameters.headers.{name[: response_headers.MAX_NAME]}: {problem}")
        response = parameters.model_dump(exclude={"binary"})
        if parameters.binary:
            item = context.items[0] if context.items else {}
            response |= {"body": "", "file": file_of(item, parameters.binary, 0).as_json()}
        if (size := len(orjson.dumps(response))) > MAX_BODY_BYTES:
            raise NodeError(f"parameters.body: the response has {size} bytes; the limit is {MAX_BODY_BYTES}.")
        if isinstance(response["body"], str):
            encoded_text(response["body"], parameters.headers)
        return NodeResult({"main": context.items}, {"main": SAME}, response=response)

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each invalid parameter, and for each header that a workflow may not set."""
        problems = super().check_parameters(parameters)
        headers = parameters.get("headers")
        if isinstance(headers, dict):
            problems += [
                (f"parameters.headers.{name}", "header", problem) for name, problem in header_problems(headers)
            ]
        return problems
