"""How the node runs of an execution begin and end: attempts, checkpoints, waits, errors and further attempts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
from django.db import connection
from django.utils import timezone

from executions import lifecycle
from executions.domain.errors import NodeError
from executions.domain.graph import ERROR_OUTPUT, Node
from executions.domain.items import Items
from executions.domain.statuses import ExecutionStatus
from executions.engine.attempt import Outcome, check_total, error_data, preview
from executions.engine.invocation import Active, Work
from executions.engine.planner import Ready
from executions.engine.run_state import RunState
from executions.lifecycle import Change
from executions.models import NodeRun, Wait
from executions.nodes.base import NodeResult, WaitFor
from executions.waits import responses

HOLD_SECONDS = 0.25
"""What is due sooner is waited for with the lease in hand."""
HOLD_RETRY_SECONDS = 2.0
"""A further attempt that is due sooner, too."""


def wait_row(wanted: WaitFor, run: NodeRun) -> Wait | None:
    """Return the row that is resolved from outside; None for a time."""
    if wanted.kind is None:
        return None
    return Wait(
        execution=run.execution,
        node_id=run.node_id,
        run_index=run.run_index,
        attempt=run.attempt,
        kind=wanted.kind,
        message=wanted.message,
        assignee=wanted.assignee,
        child=wanted.child,
        expires_at=wanted.until,
    )


class NodeRuns(RunState):
    """An execution whose nodes are run."""

    def _skip_unreachable(self) -> None:
        for node_id in self.plan.take_skipped():
            row = self._new_row(self.graph.nodes[node_id], 0)
            self.done_nodes.add(node_id)
            self._submit(lifecycle.skip_node(self.execution, self.lease, row, "No item can reach it."))

    def _begin(self, ready: Ready) -> None:
        row = self._new_row(self.graph.nodes[ready.node_id], ready.run_index)
        row.inputs = {name: refs for name, refs in ready.references.items() if refs[0]["run_index"] >= 0}
        self._start(Active(ready, row))

    def _start(self, active: Active) -> None:
        node = self.graph.nodes[active.row.node_id]
        self.active[active.row.node_id, active.row.run_index] = active
        self.done_nodes.discard(node.id)
        node_type = self.definition.types[node.id]
        count = sum(len(items) for items in active.ready.inputs.values())
        change = lifecycle.start_node(self.execution, self.lease, active.row, count)
        if node_type.blocking and not node_type.pure and not node.disabled:
            # What it does to the world rests on checkpoints that a crash must not undo.
            self._submit(change, lambda error: None if error else self.tell(partial(self._attempt_now, active)))
        else:
            self._submit(change)
            self._attempt(active)

    def _attempt_now(self, active: Active) -> None:
        """Make the attempt that was to wait for a commit, if nothing has come between."""
        if not self.over and self.active.get((active.row.node_id, active.row.run_index)) is active:
            self._attempt(active)

    def _attempt(self, active: Active) -> None:
        """Make one attempt: here if it is quick, else in a thread of its own."""
        work = Work(active, self.definition, self.execution, dict(self.latest), partial(self._log, active))
        if (outcome := work.here()) is not None:
            self.ends.append((active, outcome))
        else:
            self._in_thread(lambda: self._call_elsewhere(active, work.elsewhere))

    def _call_elsewhere(self, active: Active, call: Callable[[], Outcome]) -> None:
        try:
            outcome = call()
        finally:
            connection.close()
        self.tell(partial(self._attempt_ended, active, outcome))

    def _attempt_ended(self, active: Active, outcome: Outcome) -> None:
        if not self.over:
            self.ends.append((active, outcome))
            self._advance()

    def _log(self, active: Active, level: str, message: str) -> None:
        data = {
            "level": level,
            "message": message[:5000],
            "node": active.row.node_id,
            "run_index": active.row.run_index,
        }
        if not self.over:
            self._submit(Change(self.lease, [lifecycle.event(self.execution, "log", data)]))

    def _timeout_of(self, active: Active) -> float | None:
        return self.graph.nodes[active.row.node_id].timeout

    def _give_up(self, active: Active, seconds: float) -> None:
        if not active.cancelled.is_set():
            active.cancelled.set()
            error = NodeError(f"The node took longer than its timeout of {seconds:g} s.", retryable=True)
            self.ends.append((active, Outcome(None, error, (time.monotonic() - active.started) * 1000)))

    def _ended(self, active: Active, outcome: Outcome) -> None:
        row, result = active.row, outcome.result
        row.duration_ms, row.cpu_ms, row.memory_bytes = outcome.duration_ms, outcome.cpu_ms, outcome.memory_bytes
        if result is None:
            assert outcome.error is not None
            self._failed(active, outcome.error)
        elif result.wait_for is not None:
            self._wait(active, result.wait_for)
        else:
            try:
                check_total(self.output_bytes, sum(outcome.sizes.values()))
            except NodeError as error:
                self._failed(active, error)
            else:
                self._completed(active, result, outcome.sizes)

    def _completed(self, active: Active, result: NodeResult, sizes: dict[str, int]) -> None:
        row = active.row
        outputs = {name: items for name, items in result.outputs.items() if items}
        row.keep_open, row.error, row.from_cache = result.keep_open, None, result.from_cache
        self._set_output(row, outputs, sum(sizes.values()))
        change = lifecycle.complete_node(self.execution, self.lease, row, preview(outputs))
        self._checkpoint(change, active, outputs, sizes, result.response)

    def _wait(self, active: Active, wanted: WaitFor) -> None:
        row = active.row
        row.error = None  # else it would seem to wait for its next attempt
        wait = wait_row(wanted, row)
        active.awaits = wait is not None
        self._submit(lifecycle.wait_node(self.execution, self.lease, row, wanted.reason, wanted.until, wait))
        self.waiting[row.node_id, row.run_index] = active

    def _failed(self, active: Active, error: Exception) -> None:
        row, node = active.row, self.graph.nodes[active.row.node_id]
        data = error_data(error, node)
        if (data["retryable"] or node.retry.on == "all") and row.attempt < node.retry.attempts:
            self._retry(active, node, data, getattr(error, "retry_after", None))
            return
        if node.on_error == "stop":
            change = lifecycle.fail_node(self.execution, self.lease, row, data, "stop")
            self._end(ExecutionStatus.FAILED, {"error": data}, change)
            return
        items: Items = [{"error": {"message": data["message"], "type": data["type"]}}]
        if node.on_error == "route":
            received = [item for items_ in active.ready.inputs.values() for item in items_]
            items = [item | items[0] for item in received] or items
        outputs = {ERROR_OUTPUT if node.on_error == "route" else "main": items}
        sizes = {name: len(orjson.dumps(items)) for name, items in outputs.items()}
        self._set_output(row, outputs, sum(sizes.values()))
        change = lifecycle.fail_node(self.execution, self.lease, row, data, node.on_error)
        self._checkpoint(change, active, outputs, sizes, None)

    def _retry(self, active: Active, node: Node, error: dict[str, Any], retry_after: float | None) -> None:
        delay_ms = node.retry.delay_before(active.row.attempt + 1, random.random(), retry_after)  # noqa: S311
        row = active.row
        change = lifecycle.retry_node(self.execution, self.lease, row, error, delay_ms)
        row.wake_at = None
        again = Active(active.ready, row)
        key = (row.node_id, row.run_index)
        if delay_ms > HOLD_RETRY_SECONDS * 1000:
            row.error = error
            until = timezone.now() + timedelta(milliseconds=delay_ms)
            change += lifecycle.wait_node(self.execution, self.lease, row, "Waits for its next attempt.", until)
            self.waiting[key] = again
        else:
            again.again_at = time.monotonic() + delay_ms / 1000
            self.active[key] = again
        self._submit(change)

    def _checkpoint(
        self,
        change: Change,
        active: Active,
        outputs: dict[str, Items],
        sizes: dict[str, int],
        response: dict[str, Any] | None,
    ) -> None:
        """Write a node run's output, its end, what flows from it and how far the execution is, in one change."""
        key = (active.row.node_id, active.row.run_index)
        self.done_nodes.add(key[0])
        for edge, items in self.plan.completed(key, outputs, keep_open=active.row.keep_open):
            data = {
                "edge": edge.model_dump(include={"source", "source_output", "target", "target_input"}),
                "run_index": key[1],
                "items": len(items),
                "bytes": sizes[edge.source_output],
                "preview": preview({"main": items}),
            }
            change.events.append(lifecycle.event(self.execution, "data_flow", data))
        change.events.append(lifecycle.event(self.execution, "progress", self._progress()))
        if response is not None and self.response is None:  # the first answer is the answer
            self.response = change.execution_fields["response"] = response
            if self.execution.awaited:
                self._submit(
                    change, lambda error: None if error else responses.notify(self.execution.pk, self._state())
                )
                return
        self._submit(change)
