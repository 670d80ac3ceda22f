from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from executions.domain.items import Item
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.if_ import truthy

FALLBACK = "fallback"


class Case(Parameters):
    name: str = Field(title="Output", description="The output for items of this case.", min_length=1)
    condition: Any = Field(title="Condition", description="An expression that is evaluated for each item.")


class SwitchParameters(Parameters):
    cases: list[Case] = Field(
        title="Cases", description="Each item goes to the first case whose condition is true.", min_length=1
    )


class Switch(NodeType[SwitchParameters]):
    type = "switch"
    label = "Switch"
    description = "Sends each item to the first case whose condition is true, else to `fallback`."
    icon = "switch"
    category = "flow"
    Parameters = SwitchParameters
    computes = True
    outputs = (FALLBACK,)

    def output_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        cases = parameters.get("cases")
        named = [c.get("name") for c in cases if isinstance(c, dict)] if isinstance(cases, list) else []
        return (*(name for name in named if isinstance(name, str)), FALLBACK)

    def run(self, context: NodeContext[SwitchParameters]) -> NodeResult:
        outputs: dict[str, list[Item]] = {}
        for index, item in enumerate(context.items):
            name = next((c.name for c in context.parameters(index).cases if truthy(c.condition)), FALLBACK)
            outputs.setdefault(name, []).append(item)
        return NodeResult(outputs)
