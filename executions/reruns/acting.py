"""The nodes that act outside, and would do so again in a rerun; what is chosen for them instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from executions.domain.effects import ACTS, Choice, Effect
from executions.domain.graph import Graph
from executions.domain.statuses import NodeRunStatus
from executions.lifecycle import OldRun
from executions.nodes.registry import node_types
from executions.reruns.requests import CannotRerun


@dataclass(frozen=True, slots=True)
class ActingNode:
    """A node that acted in the original execution and would act again."""

    node: str
    name: str
    node_type: str
    effect: Effect
    runs: int
    items: int
    """Items that the node gave."""
    reusable: bool
    """Whether its saved output can be used instead."""
    choice: Choice


def acting_nodes(
    graph: Graph, runs: Sequence[OldRun], kept: Collection[str], choices: Mapping[str, Choice]
) -> list[ActingNode]:
    """Return the nodes that would act again, unless `choices` say otherwise. `kept` are those that do not run again."""
    by_node: dict[str, list[OldRun]] = {}
    for old in runs:
        by_node.setdefault(old.run.node_id, []).append(old)
    acting = []
    for node_id, old_runs in by_node.items():
        node, acted = graph.nodes.get(node_id), [old for old in old_runs if old.run.status != NodeRunStatus.SKIPPED]
        if node is None or node.disabled or node_id in kept or not acted:
            continue
        node_type = node_types().get(node.type)
        if node_type is None or (effect := node_type.effect_of(node.parameters)) not in ACTS:
            continue
        reusable = why_not_reusable(graph, old_runs, node_id) is None
        items = sum(old.run.output_items for old in acted)
        choice = choices.get(node_id, "run")
        acting.append(ActingNode(node_id, node.label, node.type, effect, len(acted), items, reusable, choice))
    return acting


def check_choices(
    graph: Graph, runs: Sequence[OldRun], kept: Collection[str], choices: Mapping[str, Choice]
) -> dict[str, Choice]:
    """Return the choices that change something. Raises CannotRerun for one that cannot be met."""
    for node_id, choice in choices.items():
        field = f"effects.{node_id}"
        if node_id not in graph.nodes:
            raise CannotRerun(field, f"This version of the workflow has no node {node_id!r}.")
        if node_id in kept and choice != "reuse":
            label = graph.nodes[node_id].label
            raise CannotRerun(field, f"{label!r} does not run again, since the rerun starts after it. Use reuse.")
        if choice == "reuse" and node_id not in kept:
            old_runs = [old for old in runs if old.run.node_id == node_id]
            if (why := why_not_reusable(graph, old_runs, node_id)) is not None:
                raise CannotRerun(field, f"{why} Use run or skip.")
    return {node_id: choice for node_id, choice in choices.items() if choice != "run" and node_id not in kept}


def why_not_reusable(graph: Graph, old_runs: Sequence[OldRun], node_id: str) -> str | None:
    """Return why the saved output of a node cannot be used; None if it can. `old_runs` are those of the node."""
    node = graph.nodes[node_id]
    if not any(old.outputs for old in old_runs) or not all(old.finished for old in old_runs):
        return f"{node.label!r} has no saved output in that execution."
    if any(old.run.node_type != node.type for old in old_runs):
        return f"{node.label!r} had another type in that execution."
    if any(old.run.keep_open for old in old_runs):
        return f"{node.label!r} is a loop."
    return None
