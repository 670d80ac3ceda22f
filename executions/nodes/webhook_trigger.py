from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class WebhookTriggerParameters(Parameters):
    path: str = Field(
        title="Path",
        description="What follows /hooks/ in the URL.",
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*$",
    )
    methods: list[Method] = Field(["POST"], title="Methods", description="Which HTTP methods start the workflow.")
    auth: dict[str, Any] | None = Field(None, title="Authentication", description="How a caller proves who they are.")
    respond: Literal["immediately", "on_completion", "respond_node"] = Field(
        "immediately", title="Respond", description="When the caller is answered."
    )

    @field_validator("auth")
    @classmethod
    def _exists_by_now(cls, value: object) -> object:
        # Taken and not heeded, it would leave a webhook open.
        if isinstance(value, dict):
            raise PydanticCustomError("not_supported", "This is not supported yet.")
        return value


class WebhookTrigger(NodeType[WebhookTriggerParameters]):
    type = "webhook_trigger"
    label = "Webhook trigger"
    description = "Starts when a request arrives at /hooks/…. Its item is the request."
    icon = "webhook"
    category = "trigger"
    Parameters = WebhookTriggerParameters
    trigger = True

    def run(self, context: NodeContext[Any]) -> NodeResult:
        return NodeResult({"main": context.items or [{}]})
