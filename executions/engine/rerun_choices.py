"""The nodes of a rerun that do not run as usual: their items pass them by, or their saved output is used."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from executions.domain.effects import Choice
from executions.domain.errors import NodeError
from executions.domain.items import Items
from executions.engine.node_attempt import NodeOutcome
from executions.engine.outputs import pack_outputs
from executions.models import Execution, NodeRun
from executions.nodes.base import NodeResult

SKIPPED = "The rerun skips this node; its items pass it by."


class RerunChoices:
    """What was chosen for the nodes of one execution."""

    def __init__(self, execution: Execution) -> None:
        self._choices: dict[str, Choice] = execution.rerun_choices or {}
        self._original = execution.rerun_of_id

    def of(self, node_id: str) -> Choice:
        """Return what happens to the node."""
        return self._choices.get(node_id, "run")

    def saved(self, row: NodeRun, inputs: Mapping[str, Items]) -> NodeOutcome:
        """Return the saved output for a node run that received `inputs`, as the outcome of an attempt. It reads the
        database."""
        began = time.perf_counter()
        try:
            result, sizes = self._read(row, inputs)
        except NodeError as error:
            return NodeOutcome(None, error, (time.perf_counter() - began) * 1000)
        return NodeOutcome(result, None, round((time.perf_counter() - began) * 1000, 3), sizes=sizes)

    def _read(self, row: NodeRun, inputs: Mapping[str, Items]) -> tuple[NodeResult, dict[str, int]]:
        run: Any = None
        if self._original is not None:
            runs = NodeRun.objects.filter(execution=self._original, node_id=row.node_id, run_index=row.run_index)
            run = runs.filter(output__isnull=False).first()
        if run is None:
            raise NodeError(
                f"There is no saved output of run {row.run_index + 1} of this node in execution {self._original}."
                " Choose run or skip for the node."
            )
        outputs, sizes = pack_outputs(run.output)
        lineage = run.lineage if run.lineage and self._received(run, inputs) else {}
        return NodeResult(outputs, lineage, taken_from=run.pk, attributes=run.attributes or {}), sizes

    def _received(self, run: NodeRun, inputs: Mapping[str, Items]) -> bool:
        """Return whether the original node run received the same items, so that its lineage holds for these."""
        if run.inputs.keys() != inputs.keys():
            return False
        for name, references in run.inputs.items():
            items = [item for reference in references for item in self._referred(reference)]
            if items != list(inputs[name]):
                return False
        return True

    def _referred(self, reference: Mapping[str, Any]) -> Items:
        runs = NodeRun.objects.filter(
            execution=self._original, node_id=reference["node"], run_index=reference["run_index"]
        )
        output = runs.values_list("output", flat=True).first() or {}
        items: Items = output.get(reference["output"], [])
        return items
