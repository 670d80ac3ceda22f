"""Fields of a node's items that are copied from node to node although nothing reads them.

Only what is certain is claimed: every node that the items reach either reads named fields in its expressions, or passes
them on. A node that takes whole items, a name of a node that is not literal, or items that are the result mean that
everything is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import orjson

from executions.domain.final_outputs import FinalOutputs, final_outputs
from executions.domain.graph import ERROR_OUTPUT, Edge, Graph, Node
from executions.domain.read_paths import Path, is_read, names_nodes, paths_read
from executions.domain.statuses import NodeRunStatus
from executions.insights.findings import Finding
from executions.insights.sample import SampledRun, WorkflowSample
from executions.models import InsightKind, NodeRun
from executions.nodes.registry import node_types

LEAST = 20
"""Executions in which the node ran."""
LEAST_BYTES = 10_000
"""That an execution stores for nothing, on average."""
LEAST_SHARE = 0.5
"""Of the items, in bytes."""
PASSING = frozenset({"if", "filter", "switch", "set", "no_op", "limit"})
"""Node types that pass their items on, and read nothing that their expressions do not name."""
READING = frozenset({"http_request"})
"""Node types that pass nothing on, and read nothing that their expressions do not name."""
MOST_OUTPUTS, MOST_OUTPUT_BYTES, MOST_ITEMS = 5, 1_000_000, 200
"""Of what is read to measure the sizes of fields."""
DEPTH = 3
SHOWN = 8
"""Fields."""


@dataclass(frozen=True, slots=True)
class CopiedData:
    """Where the items of a node go: the fields that are read, and the nodes that store the items again."""

    read: frozenset[Path]
    copied_by: tuple[str, ...]


def spread(graph: Graph, producer: str) -> CopiedData | None:
    """Return where the items of a node go; None if everything may be read, or nothing stores them again."""
    final = final_outputs(graph, _outputs)
    read: set[Path] = set()
    seen: set[str] = set()
    copies: list[str] = []
    reached = [graph.nodes[producer]]
    for node in reached:  # grows
        edges = _onward(graph, node)
        if _is_result(node, edges, final):
            return None
        for edge in edges:
            target = graph.nodes[edge.target]
            if target.id in seen:
                continue
            seen.add(target.id)
            paths = _read_by(target)
            if paths is None:
                return None
            read |= paths
            if _passes_on(target):
                copies.append(target.id)
                reached.append(target)
    return CopiedData(frozenset(read), tuple(copies)) if copies else None


def names_any(graph: Graph, spread_: CopiedData, producer: str) -> bool:
    """Return whether a node of the workflow refers to one that has the items, or to one that is not known."""
    holders = {name for each in (producer, *spread_.copied_by) for name in (each, graph.nodes[each].label)}
    for node in graph.nodes.values():
        named = names_nodes(node.parameters)
        if named is None or named & holders:
            return True
    return False


def unused(items: Iterable[Any], read: Iterable[Path]) -> tuple[Counter[Path], int]:
    """Return the bytes of JSON by field that nothing reads, and those of all fields."""
    paths, found, total = set(read), Counter[Path](), 0
    for item in items:
        if isinstance(item, dict):
            total += len(orjson.dumps(item))
            _add_unused(item, (), paths, found)
    return found, total


def _add_unused(value: dict[str, Any], at: Path, read: set[Path], found: Counter[Path]) -> None:
    for name, each in value.items():
        path = (*at, name)
        if name.startswith("$"):
            continue  # files
        if not is_read(path, read):
            found[path] += len(orjson.dumps(each)) + len(name) + 4
        elif isinstance(each, dict) and len(path) < DEPTH and not any(path[: len(one)] == one for one in read):
            _add_unused(each, path, read, found)


def detect(sample: WorkflowSample) -> list[Finding] | None:
    """Return the nodes of the workflow whose items are copied along though much of them is never read."""
    version = sample.workflow.latest_version
    assert version is not None
    if any("$" in text for text in map(str, version.settings.values())):
        return []  # a limit by key reads the first items
    findings, candidates, decided = [], 0, False
    for producer in sample.nodes.values():
        found = spread(sample.graph, producer.id) if _produces(producer) else None
        if found is None or names_any(sample.graph, found, producer.id):
            continue
        candidates += 1
        runs = [run for run in sample.runs if run.node == producer.id and run.status == NodeRunStatus.COMPLETED]
        if len({run.execution for run in runs}) < LEAST:
            continue
        decided = True
        findings += _of_node(sample, producer, found, runs)
    return findings if decided or not candidates else None


def _of_node(sample: WorkflowSample, producer: Node, found: CopiedData, runs: Sequence[SampledRun]) -> list[Finding]:
    copied = sum(run.output_bytes for run in sample.runs if run.node in found.copied_by)
    executions = len({run.execution for run in runs})
    if copied / executions < LEAST_BYTES:
        return []
    fields, total = unused(_items(producer, runs), found.read)
    share = fields.total() / total if total else 0.0
    wasted = share * copied / executions
    return [_finding(sample, producer, found, fields, share, wasted)] if _is_much(share, wasted) else []


def _is_much(share: float, wasted: float) -> bool:
    return share >= LEAST_SHARE and wasted >= LEAST_BYTES


def _items(producer: Node, runs: Sequence[SampledRun]) -> list[Any]:
    """Return items of the latest runs."""
    small = [run.execution for run in runs if run.output_bytes <= MOST_OUTPUT_BYTES][:MOST_OUTPUTS]
    rows = NodeRun.objects.filter(execution__in=small, node_id=producer.id, run_index=0)
    outputs = rows.values_list("output", flat=True)[:MOST_OUTPUTS]
    return [item for output in outputs for item in ((output or {}).get("main") or [])[:MOST_ITEMS]]


def _produces(node: Node) -> bool:
    kind = node_types().get(node.type)
    return kind is not None and not node.disabled and node.type not in PASSING and not kind.join


def _read_by(node: Node) -> set[Path] | None:
    if node.disabled:
        return set()
    if node.on_error != "stop" or node.type not in PASSING | READING:
        return None
    return paths_read(node.parameters)


def _passes_on(node: Node) -> bool:
    keeps = node.type != "set" or node.parameters.get("keep_other_fields", True) is not False
    return node.disabled or (node.type in PASSING and keeps)


def _outputs(node: Node) -> Sequence[str]:
    kind = node_types().get(node.type)
    return kind.output_names(node.parameters) if kind is not None else ("main",)


def _onward(graph: Graph, node: Node) -> list[Edge]:
    return [
        edge for edge in graph.edges_from(node.id) if edge.source_output != ERROR_OUTPUT or node.on_error != "route"
    ]


def _is_result(node: Node, edges: Sequence[Edge], final: FinalOutputs) -> bool:
    return bool(set(final.get(node.id, ())) - {edge.source_output for edge in edges})


def _finding(
    sample: WorkflowSample, producer: Node, found: CopiedData, fields: Counter[Path], share: float, wasted: float
) -> Finding:
    names = [".".join(path) for path, _ in fields.most_common(SHOWN)]
    size = f"{round(wasted / 1000)} kB"
    text = f"Nothing reads {', '.join(names)}: {size} are copied along in each execution"
    evidence = {
        "n": len(sample.executions),
        "span_s": round(sample.span_seconds),
        "unused": names,
        "read": sorted(".".join(path) for path in found.read)[:SHOWN],
        "copied_by": [sample.nodes[each].label for each in found.copied_by],
        "share": round(share, 3),
        "bytes_per_execution": round(wasted),
        "mean_output_bytes": round(mean(run.output_bytes for run in sample.runs if run.node == producer.id)),
    }
    figure = {"value": round(wasted), "unit": "bytes", "text": text}
    workflow = sample.workflow
    about, subject = f"{workflow.pk}:{producer.id}", sample.subject(producer.id)
    return Finding(InsightKind.UNUSED_DATA, workflow.workspace_id, about, subject, evidence, figure, workflow.pk)
