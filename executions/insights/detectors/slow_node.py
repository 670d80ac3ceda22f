"""A node that most of the time of an execution goes to: its share of the critical paths of recent executions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from executions.domain.statuses import ExecutionStatus
from executions.insights.findings import Finding, seconds_text
from executions.insights.sample import WorkflowSample
from executions.models import Execution, InsightKind
from executions.overview.critical_path import ExecutionPath, critical_path

LEAST = 5
"""Executions."""
MOST = 10
MOST_RUNS = 500
"""Node runs of an execution that is looked at."""
LEAST_SHARE = 0.6
LEAST_SECONDS = 2.0
"""On average, in an execution."""
NOT_OF_NODES = ("admission", "queue", "paused", "recovery")
"""Kinds of segments that no node can shorten."""


@dataclass(frozen=True, slots=True)
class SlowNode:
    """The node that the executions wait for, with its average seconds on the path and its share of it."""

    node: str
    seconds: float
    share: float


def decide(paths: Sequence[Mapping[str, float]], lengths: Sequence[float]) -> SlowNode | None:
    """Return the node that takes most of the paths. `paths` has the seconds of each node's runs by execution, `lengths`
    the seconds of the paths."""
    totals: defaultdict[str, float] = defaultdict(float)
    for path in paths:
        for node, seconds in path.items():
            totals[node] += seconds
    if not totals or not sum(lengths):
        return None
    node = max(totals, key=lambda each: totals[each])
    seconds, share = totals[node] / len(paths), totals[node] / sum(lengths)
    return SlowNode(node, seconds, share) if share >= LEAST_SHARE and seconds >= LEAST_SECONDS else None


def detect(sample: WorkflowSample) -> list[Finding] | None:
    """Return the slow node of the workflow, if it has one."""
    runs = Counter(run.execution for run in sample.runs)
    completed = [
        each.id
        for each in sample.executions
        if each.status == ExecutionStatus.COMPLETED and 0 < runs[each.id] <= MOST_RUNS
    ][:MOST]
    if len(completed) < LEAST:
        return None
    rows = Execution.objects.filter(pk__in=completed).select_related("stream", "version")
    paths = [critical_path(row) for row in rows]
    by_node, lengths = [_by_node(path) for path in paths], [_length(path) for path in paths]
    found = decide(by_node, lengths)
    if found is None or found.node not in sample.nodes:
        return []
    label = sample.nodes[found.node].label
    text = f"{label} takes {seconds_text(found.seconds)}, {found.share:.0%} of the time of an execution"
    evidence = {
        "n": len(paths),
        "span_s": round(sample.span_seconds),
        "mean_s": round(found.seconds, 3),
        "share": round(found.share, 3),
        "execution_s": round(mean(lengths), 3),
    }
    figure = {"value": round(found.seconds, 3), "unit": "s", "text": text}
    workflow = sample.workflow
    about, subject = f"{workflow.pk}:{found.node}", sample.subject(found.node)
    return [Finding(InsightKind.SLOW_NODE, workflow.workspace_id, about, subject, evidence, figure, workflow.pk)]


def _by_node(path: ExecutionPath) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for segment in path.segments:
        if segment.kind == "run" and segment.run is not None:
            seconds[segment.run[0]] += segment.microseconds / 1e6
    return seconds


def _length(path: ExecutionPath) -> float:
    return (path.wall_ms - sum(path.totals.get(kind, 0.0) for kind in NOT_OF_NODES)) / 1000
