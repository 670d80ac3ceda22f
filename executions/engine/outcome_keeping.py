"""Keeps what came of each item of a node run: while it runs, over a crash, and when the rest of its items fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from executions.domain.effects import Effect
from executions.domain.items import joined
from executions.domain.lineage import numbered_from
from executions.engine import kept_outcomes
from executions.engine.definition import Definition
from executions.engine.kept_outcomes import KeptOutcomes
from executions.engine.node_attempt import ActiveNodeRun
from executions.engine.outputs import pack_outputs
from executions.engine.state import ExecutionState
from executions.lifecycle import Change
from executions.models import ItemOutcome
from executions.nodes.base import NodeResult, PerItemNodeType
from executions.nodes.item_outcomes import ItemError, error_output

Write = Callable[[Change, Callable[[], None] | None], None]
"""Takes what is written while a node runs, and what to call after the commit."""
OnProgress = Callable[[ActiveNodeRun, int, int], None]
"""Takes the items of a node run that are done, and of these those that failed."""


class OutcomeKeeping:
    """The outcomes of the items of one execution's node runs."""

    def __init__(self, state: ExecutionState, definition: Definition, write: Write, on_progress: OnProgress) -> None:
        self._lease, self._definition = state.lease, definition
        self._write, self._on_progress = write, on_progress

    def restore(self, active: Sequence[ActiveNodeRun]) -> None:
        """Take the outcomes that were committed by the attempts so far."""
        by_run = {each.row.pk: each for each in active if self._effect(each) != "none"}
        for pk, outcomes in kept_outcomes.stored(list(by_run)).items():
            by_run[pk].outcomes.has_kept = True
            for index, outcome in outcomes.items():
                by_run[pk].outcomes.restore(index, outcome)

    def keeper(self, active: ActiveNodeRun) -> KeptOutcomes | None:
        """Return what keeps the outcomes of an attempt; None if the node repeats nothing outside of the platform."""
        effect = self._effect(active)
        if effect == "none":
            return None

        def write(outcomes: list[ItemOutcome], on_commit: Callable[[], None]) -> None:
            active.outcomes.has_kept = True
            self._write(Change(self._lease, item_outcomes=outcomes), on_commit)

        items = sum(len(items) for items in active.ready.inputs.values())
        on_progress = partial(self._on_progress, active)
        return KeptOutcomes(active.row, active.cancelled, write, on_progress, items, acts=effect != "reads")

    def with_errors(
        self, active: ActiveNodeRun, error: ItemError, first: int, output: str | None = None
    ) -> tuple[NodeResult, dict[str, int]]:
        """Return the result of a node run whose remaining items fail with `error`, and the sizes of its outputs. The
        items of its input are numbered from `first`. They go to `output`; by default, where `on_error` says."""
        node = active.node(self._definition.graph)
        items = joined(list(active.ready.inputs.values()))
        names = self._definition.types[node.id].output_names(node.parameters)
        made = active.outcomes.result(items or [{}], output or error_output(node.on_error, names), error)
        outputs, sizes = pack_outputs(made.outputs)
        is_known = items and active.edits.input is None
        lineage = numbered_from(first, made.lineage, len(items)) if is_known else {}
        all_failed = not made.succeeded
        return NodeResult(outputs, lineage, failed_items=made.failed, error=made.error, all_failed=all_failed), sizes

    def _effect(self, active: ActiveNodeRun) -> Effect:
        """Return what the node does outside for each item; `none` if its items have no outcomes of their own."""
        node = active.node(self._definition.graph)
        node_type = self._definition.types[node.id]
        return node_type.effect_of(node.parameters) if isinstance(node_type, PerItemNodeType) else "none"
