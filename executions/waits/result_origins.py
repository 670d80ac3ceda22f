"""Which items of an execution's input its result came from, for the node run that waited for it."""

from __future__ import annotations

from executions.domain.input_origins import lineage_in_input
from executions.domain.lineage import Origins
from executions.domain.stored_ancestry import StoredRun, ancestry_of
from executions.models import Execution, NodeRun


def result_origins(execution: Execution, run: NodeRun, output: str, count: int) -> Origins | None:
    """Return the origins, in the execution's input, of the `count` items of that output; None if they are unknown."""
    runs = NodeRun.objects.filter(execution=execution, output__isnull=False).order_by("id")
    stored = (
        StoredRun((row.node_id, row.run_index), row.inputs, row.lineage, row.keep_open)
        for row in runs.only("node_id", "run_index", "inputs", "lineage", "keep_open")
    )
    ancestry = ancestry_of(stored, len(execution.input))
    if ancestry is None:
        return None
    return lineage_in_input(ancestry, (run.node_id, run.run_index), {output: count}).get(output)
