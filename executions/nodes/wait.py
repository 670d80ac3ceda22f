from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, Field

from executions.nodes.base import NodeContext, NodeError, NodeResult, NodeType, Parameters, WaitFor


class WaitParameters(Parameters):
    seconds: float | None = Field(None, title="Seconds", description="How long to wait.", ge=0, le=366 * 86_400)
    until: AwareDatetime | None = Field(None, title="Until", description="Or until when: a date and time with offset.")


class Wait(NodeType[WaitParameters]):
    type = "wait"
    label = "Wait"
    description = "Hands its items on after a time. No worker is held meanwhile."
    icon = "clock"
    category = "flow"
    Parameters = WaitParameters
    cacheable = False

    def run(self, context: NodeContext[WaitParameters]) -> NodeResult:
        if context.resumed:
            return NodeResult({"main": context.items})
        parameters = context.parameters()
        if (parameters.seconds is None) == (parameters.until is None):
            raise NodeError("parameters: give either `seconds` or `until`.")
        until = parameters.until or datetime.now(UTC) + timedelta(seconds=parameters.seconds or 0)
        return NodeResult(wait_for=WaitFor("Waits until a time.", until))
