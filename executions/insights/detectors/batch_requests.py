"""A node that sends many requests in one run, one for each item, and the time that they take together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from executions.domain.statuses import NodeRunStatus
from executions.insights.findings import Finding, seconds_text
from executions.insights.sample import SampledRun, WorkflowSample
from executions.models import InsightKind

NODE_TYPE = "http_request"
LEAST = 5
"""Runs."""
LEAST_CALLS = 20
"""On average, in a run: fewer are seldom worth another design."""
LEAST_SECONDS = 2.0
"""That the requests of a run take together, on average."""
PHASES = ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "transfer_ms")


@dataclass(frozen=True, slots=True)
class ManyCalls:
    """What a node sends in a run, on average."""

    runs: int
    calls: float
    seconds: float
    """Added up over the calls, of which several may run at the same time."""


def decide(runs: Sequence[SampledRun]) -> ManyCalls | None:
    """Return what the runs of a node send, if that is much."""
    calls = [each for run in runs if (each := (run.cost or {}).get("calls"))]
    if len(calls) < LEAST:
        return None
    count = mean(each.get("count", 0) for each in calls)
    seconds = mean(sum(each.get(phase, 0) for phase in PHASES) for each in calls) / 1000
    return ManyCalls(len(calls), count, seconds) if count >= LEAST_CALLS and seconds >= LEAST_SECONDS else None


def detect(sample: WorkflowSample) -> list[Finding] | None:
    """Return the nodes of the workflow that could ask for several items at a time."""
    by_node: defaultdict[str, list[SampledRun]] = defaultdict(list)
    for run in sample.runs:
        if run.status == NodeRunStatus.COMPLETED and not run.from_cache and run.taken_from is None:
            by_node[run.node].append(run)
    findings, decided = [], False
    for node_id, node in sample.nodes.items():
        if node.type != NODE_TYPE or len(by_node[node_id]) < LEAST:
            continue
        decided = True
        if (found := decide(by_node[node_id])) is not None:
            findings.append(_finding(sample, node_id, found))
    return findings if decided else None


def _finding(sample: WorkflowSample, node: str, found: ManyCalls) -> Finding:
    text = f"{found.calls:.0f} requests in a run, which take {seconds_text(found.seconds)} together"
    evidence = {
        "n": found.runs,
        "span_s": round(sample.span_seconds),
        "calls": round(found.calls, 1),
        "calls_s": round(found.seconds, 3),
    }
    figure = {"value": round(found.seconds, 3), "unit": "s", "text": text}
    workflow = sample.workflow
    about, subject = f"{workflow.pk}:{node}", sample.subject(node)
    return Finding(InsightKind.BATCH_REQUESTS, workflow.workspace_id, about, subject, evidence, figure, workflow.pk)
