"""What a hold is about: its node run, the node's definition at that time, and what the node can put out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from executions.domain.graph import ERROR_OUTPUT
from executions.engine.holding import Edits, edits_of
from executions.holds.inputs import Inputs, received_by
from executions.models import Execution, NodeRun, Wait
from executions.nodes.base import NodeType
from executions.nodes.registry import node_types


@dataclass(frozen=True, slots=True)
class HoldSubject:
    """A hold with its node run, as the attempt that failed was made."""

    execution: Execution
    hold: Wait
    run: NodeRun
    edits: Edits
    """What people edited before that attempt."""
    definition: dict[str, Any]
    """The node's definition, with those edits."""

    @property
    def type(self) -> NodeType[Any]:
        """Return the type of the node."""
        return node_types()[self.run.node_type]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the outputs that items can be sent to, the one of errors last."""
        names = self.type.output_names(self.definition.get("parameters") or {})
        return (*names, *([] if ERROR_OUTPUT in names else [ERROR_OUTPUT]))

    def input(self) -> Inputs:
        """Read the input of the attempt."""
        if self.edits.input is not None:
            return {name: list(items) for name, items in self.edits.input.items()}
        return received_by(self.execution, self.run)


def subjects_of(execution: Execution, holds: Sequence[Wait]) -> list[HoldSubject]:
    """Return what holds of one execution are about, without those whose node run is gone."""
    nodes = {hold.node_id for hold in holds}
    runs = NodeRun.objects.filter(execution=execution, node_id__in=nodes).defer("output", "exchange", "lineage")
    by_key = {(run.node_id, run.run_index): run for run in runs}
    known = list(Wait.objects.holds().filter(execution=execution, node_id__in=nodes))
    definitions = {node["id"]: node for node in execution.version.nodes}
    found = []
    for hold in holds:
        key = (hold.node_id, hold.run_index)
        if key not in by_key or hold.node_id not in definitions:
            continue
        edits = edits_of([each for each in known if (each.node_id, each.run_index) == key], hold.attempt)
        definition = definitions[hold.node_id]
        if edits.node is not None:
            definition = definition | edits.node.model_dump(mode="json", exclude_unset=True)
        found.append(HoldSubject(execution, hold, by_key[key], edits, definition))
    return found
