"""Which items of an execution's input its result came from, for the node run that waited for it."""

from __future__ import annotations

from collections.abc import Sequence

from executions.domain.ancestry import Source
from executions.domain.input_origins import origins_in_input
from executions.domain.lineage import Origins
from executions.domain.stored_ancestry import StoredRun, ancestry_of
from executions.models import Execution, NodeRun
from executions.waits.responses import ResultPart


def result_origins(execution: Execution, parts: Sequence[ResultPart]) -> Origins | None:
    """Return the origins, in the execution's input, of the items of these parts; None if they are unknown."""
    runs = NodeRun.objects.filter(execution=execution, output__isnull=False).order_by("id")
    stored = (
        StoredRun((row.node_id, row.run_index), row.inputs, row.lineage, row.keep_open)
        for row in runs.only("node_id", "run_index", "inputs", "lineage", "keep_open")
    )
    ancestry = ancestry_of(stored, len(execution.input))
    if ancestry is None:
        return None
    sources = [Source((part.run.node_id, part.run.run_index), part.output, len(part.items)) for part in parts]
    return origins_in_input(ancestry, sources)
