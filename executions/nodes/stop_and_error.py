from __future__ import annotations

from pydantic import Field

from executions.domain.errors import NodeError
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class StopAndErrorParameters(Parameters):
    message: str = Field(
        "Stopped.", title="Message", description="The error message of the execution.", max_length=5000
    )


class StopAndError(NodeType[StopAndErrorParameters]):
    type = "stop_and_error"
    label = "Stop and error"
    description = "Stops the execution with an error message."
    icon = "stop"
    category = "flow"
    Parameters = StopAndErrorParameters
    outputs = ()

    def run(self, context: NodeContext[StopAndErrorParameters]) -> NodeResult:
        raise NodeError(context.parameters().message)
