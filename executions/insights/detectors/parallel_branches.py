"""Two nodes that run one after the other although the second uses nothing of the first: side by side they would take as
long as the slower one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from executions.domain.expression_ends import expressions_in, tokens_of
from executions.domain.graph import Graph, Node
from executions.domain.node_references import named_in_template
from executions.domain.statuses import NodeRunStatus
from executions.insights.findings import Finding, seconds_text
from executions.insights.sample import SampledRun, WorkflowSample
from executions.models import InsightKind
from executions.nodes.registry import node_types

LEAST = 20
"""Pairs of runs."""
LEAST_SECONDS = 1.0
"""That would be saved in an execution, on average."""
NODE_TYPES = frozenset({"http_request", "postgres"})
"""They ask other systems, give one item for each that they receive, and say in their parameters all that they use."""
INDEPENDENT = frozenset({"none", "reads"})
"""Effects of nodes whose order does not matter."""
_SAFE_WORDS = frozenset({"$", "$vars", "$execution", "$workflow", "$now", "$today"})


@dataclass(frozen=True, slots=True)
class Chained:
    """What two nodes take on average, in seconds, over so many executions."""

    n: int
    first: float
    second: float

    @property
    def saved(self) -> float:
        """Return what would be saved: the shorter of the two."""
        return min(self.first, self.second)


def decide(pairs: Sequence[tuple[SampledRun, SampledRun]]) -> Chained | None:
    """Return what the nodes take, if side by side they would save much. A pair is their runs in one execution."""
    kept = [(a, b) for a, b in pairs if a.duration_ms is not None and b.duration_ms is not None]
    if len(kept) < LEAST or any(a.output_items != _received(a) for a, _ in kept):
        return None  # the first decides how often the second runs
    first, second = (mean(pair[index].duration_ms or 0 for pair in kept) / 1000 for index in (0, 1))
    found = Chained(len(kept), first, second)
    return found if found.saved >= LEAST_SECONDS else None


def detect(sample: WorkflowSample) -> list[Finding] | None:
    """Return the pairs of nodes of the workflow that could run side by side."""
    graph = sample.graph
    chains = list(independent_chains(graph))
    if not chains:
        return []
    runs = _single_runs(sample.runs)
    findings, decided = [], False
    for first, second in chains:
        shared = runs[first].keys() & runs[second].keys()
        if len(shared) < LEAST:
            continue
        decided = True
        found = decide([(runs[first][each], runs[second][each]) for each in shared])
        if found is not None:
            findings.append(_finding(sample, first, second, found))
    return findings if decided else None


def independent_chains(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield pairs of nodes that only the edge between them puts in an order."""
    for first in graph.nodes.values():
        edges = graph.edges_from(first.id)
        if len(edges) != 1 or not _asks(first) or len(graph.edges_into(first.id)) != 1:
            continue
        second = graph.nodes[edges[0].target]
        if len(graph.edges_into(second.id)) == 1 and _asks(second) and not uses(second, first):
            yield first.id, second.id


def uses(node: Node, other: Node) -> bool:
    """Return whether a node uses the items that it receives, or names `other`."""
    for text in _texts(node.parameters):
        if {other.id, other.label} & set(named_in_template(text)):
            return True
        for begin, end in expressions_in(text):
            tokens = tokens_of(text[begin + 2 : end - 2])
            if tokens is None or any(
                token.text.startswith("$") and token.text not in _SAFE_WORDS for token in tokens if token.kind == "word"
            ):
                return True
    return False


def _asks(node: Node) -> bool:
    kind = node_types().get(node.type)
    if kind is None or node.type not in NODE_TYPES or node.disabled or node.on_error != "stop":
        return False
    return kind.effect_of(node.parameters) in INDEPENDENT


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _single_runs(runs: Sequence[SampledRun]) -> defaultdict[str, dict[Any, SampledRun]]:
    """Return the completed runs by node and execution, of nodes that ran once in it."""
    found: defaultdict[str, dict[Any, SampledRun]] = defaultdict(dict)
    for run in runs:
        if run.status == NodeRunStatus.COMPLETED and not run.from_cache and run.taken_from is None:
            found[run.node][run.execution] = run
    for run in runs:
        if run.run_index:
            found[run.node].pop(run.execution, None)
    return found


def _received(run: SampledRun) -> int:
    return sum(int(source.get("items") or 0) for sources in run.inputs.values() for source in sources)


def _finding(sample: WorkflowSample, first: str, second: str, found: Chained) -> Finding:
    labels = [sample.nodes[each].label for each in (first, second)]
    text = f"{labels[1]} uses nothing of {labels[0]}: side by side they save {seconds_text(found.saved)}"
    evidence = {
        "n": found.n,
        "span_s": round(sample.span_seconds),
        "after": labels[0],
        "first_s": round(found.first, 3),
        "second_s": round(found.second, 3),
        "saved_s": round(found.saved, 3),
    }
    figure = {"value": round(found.saved, 3), "unit": "s", "text": text}
    workflow = sample.workflow
    about, subject = f"{workflow.pk}:{first}:{second}", sample.subject(second)
    return Finding(InsightKind.PARALLEL_BRANCHES, workflow.workspace_id, about, subject, evidence, figure, workflow.pk)
