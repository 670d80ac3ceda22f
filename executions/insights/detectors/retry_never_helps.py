"""A retry policy whose later attempts never succeed, and the time that they take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from executions.domain.graph import Node
from executions.domain.statuses import NodeRunStatus
from executions.insights.findings import Finding, seconds_text
from executions.insights.sample import SampledRun, WorkflowSample
from executions.models import InsightKind

LEAST = 10
"""Node runs that went beyond the last attempt that ever succeeded."""
LEAST_SECONDS = 5.0
"""That the useless attempts took together."""


@dataclass(frozen=True, slots=True)
class UselessRetries:
    """Attempts after `last` were made `tries` times and never succeeded."""

    last: int
    tries: int
    seconds: float
    by_attempt: dict[int, tuple[int, int]]
    """By number of the attempt: how often it was made, and how often it succeeded."""


def decide(runs: Iterable[SampledRun], attempts: int) -> UselessRetries | None:
    """Return the attempts that never help, of a policy with this many `attempts`."""
    made: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    ended = [run for run in runs if run.status in {NodeRunStatus.COMPLETED, NodeRunStatus.FAILED}]
    for run in ended:
        for number in range(1, run.attempt + 1):
            made[number][0] += 1
        made[run.attempt][1] += run.status == NodeRunStatus.COMPLETED
    last = max((number for number, (_, succeeded) in made.items() if succeeded), default=1)
    beyond = [run for run in ended if run.attempt > last]
    seconds = sum(_seconds_after(run, last) for run in beyond)
    if last >= attempts or len(beyond) < LEAST or seconds < LEAST_SECONDS:
        return None
    return UselessRetries(last, len(beyond), seconds, {number: (n, good) for number, (n, good) in sorted(made.items())})


def detect(sample: WorkflowSample) -> list[Finding] | None:
    """Return the nodes of the workflow whose retries never help."""
    by_node: defaultdict[str, list[SampledRun]] = defaultdict(list)
    for run in sample.runs:
        if not run.from_cache and run.taken_from is None:
            by_node[run.node].append(run)
    findings, decided = [], False
    for node_id, node in sample.nodes.items():
        if node.retry.attempts < 2 or len(by_node[node_id]) < LEAST:
            continue
        decided = True
        found = decide(by_node[node_id], node.retry.attempts)
        if found is not None:
            findings.append(_finding(sample, node, found, len(by_node[node_id])))
    return findings if decided else None


def _finding(sample: WorkflowSample, node: Node, found: UselessRetries, count: int) -> Finding:
    text = (
        f"Attempts after {found.last} never succeeded in {found.tries} tries; they took {seconds_text(found.seconds)}"
    )
    evidence: dict[str, Any] = {
        "n": count,
        "span_s": round(sample.span_seconds),
        "last_useful": found.last,
        "attempts": node.retry.attempts,
        "tries": found.tries,
        "wasted_s": round(found.seconds, 3),
        "by_attempt": [{"attempt": a, "made": n, "succeeded": good} for a, (n, good) in found.by_attempt.items()],
    }
    figure = {"value": round(found.seconds, 3), "unit": "s", "text": text}
    retry = node.retry.model_dump(mode="json", exclude_unset=True)
    action = {
        "type": "set_node",
        "node": node.id,
        "before": {"retry": retry},
        "changes": {"retry": retry | {"attempts": found.last}},
    }
    workflow = sample.workflow
    about, subject = f"{workflow.pk}:{node.id}", sample.subject(node.id)
    return Finding(
        InsightKind.RETRY_NEVER_HELPS, workflow.workspace_id, about, subject, evidence, figure, workflow.pk, action
    )


def _seconds_after(run: SampledRun, last: int) -> float:
    """Return the time from the end of the last useful attempt to the end of the run."""
    for each in run.attempts or []:
        if each.get("attempt") == last and run.ended_at is not None:
            return (run.ended_at - datetime.fromisoformat(each["ended_at"])).total_seconds()
    return 0.0
