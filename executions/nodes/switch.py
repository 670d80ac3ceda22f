from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.conditions import problem_of, truthy

FALLBACK = "fallback"


class Case(Parameters):
    name: str = Field(
        title="Output", description="The output for items of this case. Each case has its own.", min_length=1
    )
    condition: Any = Field(
        title="Condition",
        description='An expression that is evaluated for each item. The text "false" counts as false.',
    )


class SwitchParameters(Parameters):
    cases: list[Case] = Field(
        title="Cases", description="Each item goes to the first case whose condition is true.", min_length=1
    )


class Switch(ItemNodeType[SwitchParameters]):
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

    def run_item(self, context: NodeContext[SwitchParameters], index: int, item: Item) -> dict[str, Items]:
        cases = context.parameters(index).cases
        return {next((case.name for case in cases if truthy(case.condition)), FALLBACK): [item]}

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each invalid parameter, for outputs that cannot be told apart, and for
        conditions that are always true."""
        problems = super().check_parameters(parameters)
        cases = parameters.get("cases")
        return [*problems, *_problems(cases)] if isinstance(cases, list) else problems


def _problems(cases: list[Any]) -> Iterator[tuple[str, str, str]]:
    seen = {FALLBACK}
    for index, case in enumerate(cases):
        if not isinstance(case, dict):
            continue
        path, name = f"parameters.cases[{index}]", case.get("name")
        if isinstance(name, str):
            if "{{" in name:
                yield f"{path}.name", "expression", "The name of an output cannot be an expression; edges need it."
            elif name in seen:
                owner = "items that meet no condition" if name == FALLBACK else "another case"
                yield f"{path}.name", "duplicate", f"The output {name[:100]!r} belongs to {owner}. Use another name."
            seen.add(name)
        if "condition" in case and (problem := problem_of(case["condition"])) is not None:
            yield f"{path}.condition", "condition", problem
