"""Checkpoints: a node run's output, its end, what flows from it and the progress of the execution, in one change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from events.log import NewEvent
from executions import lifecycle
from executions.domain.graph import OnError
from executions.domain.items import Items
from executions.domain.statuses import NodeRunStatus
from executions.engine.definition import Definition
from executions.engine.flow import RestoredRun
from executions.engine.node_attempt import ActiveNodeRun
from executions.engine.outputs import ExecutionOutputs, pack_outputs, preview
from executions.engine.planner import Planner
from executions.engine.rerun_choices import SKIPPED
from executions.engine.result_cache import CachedResult
from executions.engine.state import ExecutionState
from executions.lifecycle import Change
from executions.models import Mode, NodeRun
from executions.nodes.base import NodeResult
from executions.nodes.item_outcomes import MAX_MESSAGE, ItemError


class Checkpoints:
    """Makes the checkpoints of one execution, and passes the outputs on to its planner."""

    def __init__(self, state: ExecutionState, definition: Definition, planner: Planner) -> None:
        self._state, self._execution, self._lease = state, state.execution, state.lease
        self._graph, self._planner = definition.graph, planner
        self.outputs = ExecutionOutputs(state.execution.response, definition.final_outputs)
        self.done_nodes: set[str] = set()

    def restore(self, rows: Sequence[NodeRun], runs: Sequence[RestoredRun]) -> None:
        """Continue from the stored node runs."""
        self.outputs.total_bytes = sum(row.output_bytes for row in rows)
        self.done_nodes = {row.node_id for row in rows if NodeRunStatus(row.status).ended}
        sizes = {(row.node_id, row.run_index): row.output_bytes for row in rows}
        for run in runs:
            if run.outputs is not None:
                self.outputs.remember(run.key, dict(run.outputs), sizes[run.key])

    def complete(self, active: ActiveNodeRun, result: NodeResult, sizes: dict[str, int], busy: set[str]) -> Change:
        """A node run has completed. `busy` are the nodes that have begun and not ended."""
        row = active.row
        outputs = {name: items for name, items in result.outputs.items() if items}
        row.keep_open, row.error, row.from_cache = result.keep_open, None, result.from_cache
        row.lineage, row.failed_items, row.taken_from = dict(result.lineage), result.failed_items, result.taken_from
        self.outputs.set(row, outputs, sum(sizes.values()))
        row.attributes = dict(result.attributes) or None
        change = lifecycle.complete_node(self._execution, self._lease, row, preview(outputs))
        self._set_attributes(change, row)
        if self._execution.mode == Mode.LIVE:  # a test reads static data, and leaves it as it is
            change.static_changes += [(self._execution.workflow_id, each) for each in result.static_changes]
        if result.error is not None:
            change.events.insert(0, self._items_failed(active, result.failed_items, result.error))
        if result.response is not None and self.outputs.response is None:  # only the first response counts
            self.outputs.response = change.execution_fields["response"] = result.response
        return self._pass_on(change, active, outputs, sizes, busy)

    def fail_and_continue(
        self, active: ActiveNodeRun, result: NodeResult, sizes: dict[str, int], on_error: OnError, busy: set[str]
    ) -> Change:
        """A node run has failed, and its `on_error` continues the execution with its items as the result."""
        row, outputs = active.row, dict(result.outputs)
        assert result.error is not None
        row.lineage, row.failed_items = dict(result.lineage), result.failed_items
        self.outputs.set(row, outputs, sum(sizes.values()))
        error = result.error.as_data() | {"node": row.node_id, "retryable": result.error.retryable}
        change = lifecycle.fail_node(self._execution, self._lease, row, error, on_error)
        return self._pass_on(change, active, outputs, sizes, busy)

    def skip(self, active: ActiveNodeRun, result: NodeResult, sizes: dict[str, int], busy: set[str]) -> Change:
        """The rerun skips a node: `result` is what passes it by."""
        outputs = {name: items for name, items in result.outputs.items() if items}
        active.row.lineage = dict(result.lineage)
        self.outputs.set(active.row, outputs, sum(sizes.values()))
        change = lifecycle.skip_node(self._execution, self._lease, active.row, SKIPPED)
        return self._pass_on(change, active, outputs, sizes, busy)

    def serve_cached(self, cached: CachedResult, row: NodeRun | None) -> Change:
        """The result cache has the result of the whole execution; `row` is a run of the node that gave it."""
        change = Change(self._lease, execution_fields={"cached_from": cached.execution_id})
        if row is not None:
            change += lifecycle.start_node(self._execution, self._lease, row, 0)
            row.from_cache = True
            outputs, sizes = pack_outputs(cached.outputs)
            row.lineage = dict(cached.lineage)
            self.outputs.set(row, outputs, sum(sizes.values()))
            row.attributes = dict(cached.attributes) or None
            self._set_attributes(change, row)
            change += lifecycle.complete_node(self._execution, self._lease, row, preview(outputs))
        if cached.response is not None:
            self.outputs.response = change.execution_fields["response"] = cached.response
        return change

    def _set_attributes(self, change: Change, row: NodeRun) -> None:
        """Add the attributes that a node run sets to the execution, and to the change that ends the node run."""
        if row.attributes:
            self._execution.attributes = self._execution.attributes | row.attributes
            change.execution_fields["attributes"] = self._execution.attributes

    def items_done(self, active: ActiveNodeRun, done: int, failed: int, busy: set[str]) -> Change:
        """Report the progress within a node run."""
        row = active.row
        total = sum(len(items) for items in active.ready.inputs.values())
        items = {"node": row.node_id, "run_index": row.run_index, "completed": done, "failed": failed, "total": total}
        data = self._progress(busy) | {"items": items}
        return Change(self._lease, [lifecycle.event(self._execution, "progress", data)])

    def _items_failed(self, active: ActiveNodeRun, count: int, error: ItemError) -> NewEvent:
        """Return the log line of a node run that completes although some of its items failed."""
        total = sum(len(items) for items in active.ready.inputs.values())
        message = f"{count:,} of {total:,} items failed. The first error: {error.message}"
        data = {"level": "warning", "message": message[:MAX_MESSAGE], "node": active.row.node_id}
        return lifecycle.event(self._execution, "log", data | {"run_index": active.row.run_index})

    def _pass_on(
        self,
        change: Change,
        active: ActiveNodeRun,
        outputs: dict[str, Items],
        sizes: dict[str, int],
        busy: set[str],
    ) -> Change:
        """Add what flows from the node run and the progress to the change that ends it."""
        key = (active.row.node_id, active.row.run_index)
        change.outcomes_taken_over += active.taken_over
        self.done_nodes.add(key[0])
        flows = self._planner.completed(key, outputs, keep_open=active.row.keep_open, lineage=active.row.lineage)
        for edge, items in flows:
            data = {
                "edge": edge.model_dump(include={"source", "source_output", "target", "target_input"}),
                "run_index": key[1],
                "items": len(items),
                "bytes": sizes[edge.source_output],
                "preview": preview({"main": items}),
            }
            if active.row.taken_from is not None:
                data["taken_from"] = str(active.row.taken_from)
            change.events.append(lifecycle.event(self._execution, "data_flow", data))
        change.events.append(lifecycle.event(self._execution, "progress", self._progress(busy)))
        return change

    def _progress(self, busy: set[str]) -> dict[str, Any]:
        return {
            "completed": len(self.done_nodes - busy),
            "total": len(self._graph.nodes),
            "in_progress": len(busy),
            "estimated_remaining_ms": self._state.expected_remaining_ms,
        }
