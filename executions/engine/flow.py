"""What the planner passes around: items that flow along edges, and the node runs that they start. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executions.domain.items import Items, joined

RunKey = tuple[str, int]
"""(node id, run_index)"""


@dataclass(frozen=True, slots=True)
class Flow:
    """Items that flow from an output of a node run to an input of a node."""

    source: RunKey
    output: str
    input: str
    items: Items

    @property
    def reference(self) -> dict[str, Any]:
        """Return where the items are stored, in the form of `NodeRun.inputs`."""
        return {"node": self.source[0], "run_index": self.source[1], "output": self.output}


@dataclass(slots=True)
class Ready:
    """A node run that can start now."""

    node_id: str
    run_index: int
    flows: list[Flow]
    iterations: list[Items]
    """The items of each iteration since the loop opened; the first are the loop's own items."""

    @property
    def inputs(self) -> dict[str, Items]:
        """Return the items by input, in order of arrival."""
        inputs: dict[str, list[Items]] = {}
        for flow in self.flows:
            inputs.setdefault(flow.input, []).append(flow.items)
        return {name: joined(lists) for name, lists in inputs.items()}

    @property
    def references(self) -> dict[str, list[dict[str, Any]]]:
        """Return where the items are stored, by input."""
        references: dict[str, list[dict[str, Any]]] = {}
        for flow in self.flows:
            references.setdefault(flow.input, []).append(flow.reference)
        return references


@dataclass(frozen=True, slots=True)
class RestoredRun:
    """A node run as its row describes it. `outputs` is None while it has not ended."""

    key: RunKey
    inputs: Mapping[str, list[dict[str, Any]]]
    outputs: Mapping[str, Items] | None
    keep_open: bool
