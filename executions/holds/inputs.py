"""The input items of a stored node run."""

from __future__ import annotations

from typing import Any

from executions.domain.statuses import NodeRunStatus
from executions.models import Execution, NodeRun, Wait

Inputs = dict[str, list[dict[str, Any]]]


def inputs_of(execution: Execution, run: NodeRun) -> Inputs:
    """Return the input items of a node run: those that a person gave it, else as it received them."""
    if "input" in (run.edited or {}).get("what", ()):
        holds = Wait.objects.holds().filter(execution=execution, node_id=run.node_id, run_index=run.run_index)
        answered = holds.filter(outcome__isnull=False, attempt__lt=run.attempt).order_by("-attempt")
        for outcome in answered.values_list("outcome", flat=True):
            if outcome and "input" in outcome:
                return dict(outcome["input"])
    return received_by(execution, run)


def received_by(execution: Execution, run: NodeRun) -> Inputs:
    """Return the items that a node run received, read from the outputs that they came from."""
    if not run.inputs:
        entries = {execution.trigger_node: execution.input} | (execution.replaced_input or {})
        return {"main": entries[run.node_id]} if run.node_id in entries and run.status != NodeRunStatus.SKIPPED else {}
    sources = {ref["node"] for refs in run.inputs.values() for ref in refs}
    rows = NodeRun.objects.filter(execution=execution, node_id__in=sources).values_list(
        "node_id", "run_index", "output"
    )
    outputs = {(node, run_index): output or {} for node, run_index, output in rows}
    return {
        name: [item for ref in refs for item in outputs.get((ref["node"], ref["run_index"]), {}).get(ref["output"], [])]
        for name, refs in run.inputs.items()
    }
