"""What the planner passes around: items that flow along edges, and the node runs that they start. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executions.domain.ancestry import RunKey as RunKey
from executions.domain.ancestry import Source
from executions.domain.items import Items, joined
from executions.domain.lineage import Lineage, input_order


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
        return {
            "node": self.source[0],
            "run_index": self.source[1],
            "output": self.output,
            "items": len(self.items),
        }


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
        """Return the items by input, of each in order of arrival."""
        return {name: joined([flow.items for flow in flows]) for name, flows in self._by_input().items()}

    @property
    def references(self) -> dict[str, list[dict[str, Any]]]:
        """Return where the items are stored, by input."""
        return {name: [flow.reference for flow in flows] for name, flows in self._by_input().items()}

    @property
    def sources(self) -> list[Source]:
        """Return where the items are from, in the order in which lineage numbers them."""
        return [
            Source(flow.source, flow.output, len(flow.items)) for flows in self._by_input().values() for flow in flows
        ]

    def _by_input(self) -> dict[str, list[Flow]]:
        by_input: dict[str, list[Flow]] = {}
        for flow in self.flows:
            by_input.setdefault(flow.input, []).append(flow)
        if len(by_input) == 1:
            return by_input
        return {name: by_input[name] for name in sorted(by_input, key=input_order)}


@dataclass(frozen=True, slots=True)
class RestoredRun:
    """A node run as its row describes it. `outputs` is None while it has not ended."""

    key: RunKey
    inputs: Mapping[str, list[dict[str, Any]]]
    outputs: Mapping[str, Items] | None
    keep_open: bool
    lineage: Lineage | None = None
