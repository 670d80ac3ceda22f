"""One execution, from its claim to its end, to a wait, or to the loss of its lease."""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection
from django.utils import timezone

from executions import credentials, lifecycle
from executions.engine.attempt import Outcome, attempt, encoded, error_data, preview
from executions.engine.lease import Held, heartbeats
from executions.engine.planner import Items, Plan, Ready, RestoredRun, RunKey
from executions.engine.recorder import LeaseLost, recorder
from executions.expressions import Evaluator, Scope
from executions.graph import ERROR_OUTPUT, Graph, Node
from executions.lifecycle import Change, Lease
from executions.models import Execution, NodeRun
from executions.nodes.base import NodeContext, NodeError, NodeResult, NodeType
from executions.nodes.registry import node_types
from executions.statuses import ExecutionStatus, NodeRunStatus

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
"""How often a runner that waits for nodes looks for cancellation, deadline and a lost lease."""
MAX_UNCOMMITTED = 64
"""Changes that one execution may have on their way to the log: a loop of fast nodes waits for the database."""

_blocking = ThreadPoolExecutor(64, thread_name_prefix="node")


def worker_name() -> str:
    """Return how this process is named in leases and events."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run(execution_id: UUID) -> None:
    """Claim the execution and run it. Returns at once if there is nothing to do."""
    try:
        claimed = lifecycle.claim(execution_id, worker_name())
        if claimed is None:
            return
        execution, lease = claimed
        with heartbeats().holding(lease) as held:
            Run(execution, lease, held).go()
    except LeaseLost:
        logger.warning("execution %s: the lease was lost; somebody else goes on", execution_id)
    finally:
        connection.close()


@dataclass(slots=True)
class Active:
    """A node run that has begun."""

    ready: Ready
    row: NodeRun
    started: float = field(default_factory=time.monotonic)
    cancelled: threading.Event = field(default_factory=threading.Event)


class Run:
    """The execution in memory: plan, rows, outputs. What it decides is written by the recorder."""

    def __init__(self, execution: Execution, lease: Lease, held: Held) -> None:
        self.execution, self.lease, self.held = execution, lease, held
        version = execution.version
        self.graph = Graph.parse(version.nodes, version.edges, max_nodes=10**6)
        self.types = node_types()
        self.plan = Plan(self.graph, lambda node_id: self._type(self.graph.nodes[node_id]).join)
        self.rows: dict[RunKey, NodeRun] = {}
        self.latest: dict[str, Items] = {}
        self.active: dict[RunKey, Active] = {}
        self.waiting: dict[RunKey, Active] = {}
        self.ends: queue.SimpleQueue[tuple[RunKey, Outcome]] = queue.SimpleQueue()
        self.last_commit: Future[None] | None = None
        self.uncommitted = 0
        self.limit_ms = int(version.settings.get("max_execution_time_ms") or settings.PERF_MAX_EXECUTION_TIME_MS)
        self.over = False

    # --- the loop --------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Run until the end, a wait, or LeaseLost."""
        self._restore()
        while not self.over:
            self._skip_unreachable()
            for ready in self.plan.take_ready():
                self._begin(ready)
            if self.plan.ended:
                self._end(ExecutionStatus.COMPLETED, {})
            elif self.waiting and not self.active and self.ends.empty():
                self._release()
            else:
                self._await_one()

    def _await_one(self) -> None:
        """Take the end of one node run, or notice why to stop."""
        while True:
            # Looked for each time, not only when idle: a cycle of fast nodes is never idle.
            self._look_around()
            if self.over:
                return
            try:
                key, outcome = self.ends.get(timeout=TICK_SECONDS)
            except queue.Empty:
                continue
            if key in self.active:  # else: it was given up, and its late end is of no interest
                self._ended(self.active.pop(key), outcome)
                return

    def _look_around(self) -> None:
        """End on cancellation or deadline, give up what took too long. Raises LeaseLost."""
        if self.held.lost.is_set():
            self._abandon()
            raise LeaseLost(LeaseLost.__doc__)
        if self.held.cancel_requested.is_set():
            self._end(ExecutionStatus.CANCELLED, lifecycle.cancel_request(self.execution))
        elif self._elapsed_ms() > self.limit_ms:
            self._end(ExecutionStatus.TIMED_OUT, {"limit_ms": self.limit_ms})
        else:
            self._give_up_timed_out()

    def _elapsed_ms(self) -> float:
        began = self.execution.started_at or timezone.now()
        return (timezone.now() - began).total_seconds() * 1000

    def _give_up_timed_out(self) -> None:
        now = time.monotonic()
        for key, active in self.active.items():
            seconds = self.graph.nodes[key[0]].timeout
            if seconds is not None and now - active.started > seconds and not active.cancelled.is_set():
                active.cancelled.set()
                error = NodeError(f"The node took longer than its timeout of {seconds:g} s.", retryable=True)
                self.ends.put((key, Outcome(None, error, (now - active.started) * 1000)))

    # --- beginning -------------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        rows = list(NodeRun.objects.filter(execution=self.execution).order_by("id"))
        connection.close()
        self.rows = {(row.node_id, row.run_index): row for row in rows}
        restored = [
            RestoredRun((row.node_id, row.run_index), row.inputs, row.output, row.keep_open)
            for row in rows
            if row.status != NodeRunStatus.SKIPPED
        ]
        for run in restored:
            if run.outputs is not None:
                self._remember(run.key[0], dict(run.outputs))
        skipped = [row.node_id for row in rows if row.status == NodeRunStatus.SKIPPED]
        trigger = (self.execution.trigger_node, self.execution.input)
        for ready in self.plan.restore(restored, trigger, skipped):
            row = self.rows[ready.node_id, ready.run_index]
            active = Active(ready, row)
            if row.status == NodeRunStatus.WAITING and row.wake_at is not None and row.wake_at > timezone.now():
                self.waiting[ready.node_id, ready.run_index] = active
            else:
                self._start(active, resumed=row.status == NodeRunStatus.WAITING)

    def _skip_unreachable(self) -> None:
        for node_id in self.plan.take_skipped():
            row = self._new_row(self.graph.nodes[node_id], 0)
            self._submit(lifecycle.skip_node(self.execution, self.lease, row, "No item can reach it."))

    def _new_row(self, node: Node, run_index: int) -> NodeRun:
        row = NodeRun(
            execution=self.execution,
            node_id=node.id,
            name=node.label,
            node_type=node.type,
            run_index=run_index,
        )
        self.rows[node.id, run_index] = row
        return row

    def _begin(self, ready: Ready) -> None:
        row = self._new_row(self.graph.nodes[ready.node_id], ready.run_index)
        row.inputs = {name: refs for name, refs in ready.references.items() if refs[0]["run_index"] >= 0}
        self._start(Active(ready, row))

    def _start(self, active: Active, *, resumed: bool = False) -> None:
        ready = active.ready
        node = self.graph.nodes[ready.node_id]
        key = (ready.node_id, ready.run_index)
        count = sum(len(items) for items in ready.inputs.values())
        if self._type(node).blocking and self.last_commit is not None:
            # What this node does to the world rests on checkpoints that a crash must not undo.
            self.last_commit.result()
        self._submit(lifecycle.start_node(self.execution, self.lease, active.row, count))
        self.active[key] = active
        work = self._work(active, node, resumed=resumed)
        if self._type(node).blocking and not node.disabled:
            _blocking.submit(lambda: self.ends.put((key, work())))
        else:
            self.ends.put((key, work()))

    def _work(self, active: Active, node: Node, *, resumed: bool) -> Callable[[], Outcome]:
        node_type, inputs = self._type(node), active.ready.inputs

        def context() -> NodeContext[Any]:
            return NodeContext(
                node=node,
                parameters_type=node_type.Parameters,
                inputs=inputs,
                evaluator=Evaluator(self._scope(inputs)),
                idempotency_key=active.row.idempotency_key,
                log=lambda level, message: self._log(active, level, message),
                cancelled=active.cancelled,
                turns=active.ready.turns,
                resumed=resumed,
                find_credential=partial(credentials.open_for_node, self.execution.workspace_id),
            )

        return lambda: attempt(node, node_type, inputs, context)

    def _scope(self, inputs: dict[str, Items]) -> Scope:
        execution, workflow = self.execution, self.execution.workflow
        items = inputs.get("main") or next(iter(inputs.values()), [])
        names: dict[str, Callable[[], Items]] = {}
        for node_id, latest in list(self.latest.items()):
            names[node_id] = names[self.graph.nodes[node_id].label] = lambda latest=latest: latest  # type: ignore[misc]
        return Scope(
            items,
            names,
            {"id": str(execution.pk), "trigger": execution.trigger},
            {"id": str(workflow.pk), "name": workflow.name},
            execution.version.settings.get("vars") or {},
        )

    def _log(self, active: Active, level: str, message: str) -> None:
        data = {
            "level": level,
            "message": message[:5000],
            "node": active.row.node_id,
            "run_index": active.row.run_index,
        }
        self._submit(Change(self.lease, [lifecycle.event(self.execution, "log", data)]))

    def _type(self, node: Node) -> NodeType[Any]:
        return self.types[node.type]

    # --- ending ----------------------------------------------------------------------------------------------------

    def _ended(self, active: Active, outcome: Outcome) -> None:
        row, result = active.row, outcome.result
        row.duration_ms, row.cpu_ms, row.memory_bytes = outcome.duration_ms, outcome.cpu_ms, outcome.memory_bytes
        if result is None:
            assert outcome.error is not None
            self._failed(active, outcome.error)
        elif result.wait_until is not None:
            self._submit(lifecycle.wait_node(self.execution, self.lease, row, result.wait_until))
            self.waiting[row.node_id, row.run_index] = active
        else:
            try:
                size = len(encoded(result.outputs))
            except NodeError as error:
                self._failed(active, error)
            else:
                self._completed(active, result, size)

    def _completed(self, active: Active, result: NodeResult, size: int) -> None:
        row = active.row
        outputs = {name: items for name, items in result.outputs.items() if items}
        self._set_output(row, outputs, size)
        row.keep_open = result.keep_open
        self._checkpoint(lifecycle.complete_node(self.execution, self.lease, row, preview(outputs)), active, outputs)

    def _failed(self, active: Active, error: Exception) -> None:
        row, node = active.row, self.graph.nodes[active.row.node_id]
        data = error_data(error, node)
        if data["retryable"] and row.attempt < node.retry.attempts:
            self._retry(active, node, data)
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
        self._set_output(row, outputs, len(orjson.dumps(outputs)))
        self._checkpoint(lifecycle.fail_node(self.execution, self.lease, row, data, node.on_error), active, outputs)

    def _retry(self, active: Active, node: Node, error: dict[str, Any]) -> None:
        retry, key = node.retry, (active.row.node_id, active.row.run_index)
        delay_ms = min(retry.max_delay_ms, retry.delay_ms * retry.backoff ** (active.row.attempt - 1))
        self._submit(lifecycle.retry_node(self.execution, self.lease, active.row, error, delay_ms))
        again = Active(active.ready, active.row)
        self.active[key] = again
        work = self._work(again, node, resumed=False)

        def later() -> None:
            again.cancelled.wait(delay_ms / 1000)
            again.started = time.monotonic()
            if not again.cancelled.is_set():
                self.ends.put((key, work()))

        _blocking.submit(later)

    def _set_output(self, row: NodeRun, outputs: dict[str, Items], size: int) -> None:
        row.output = outputs
        row.output_items = sum(len(items) for items in outputs.values())
        row.output_bytes = size
        self._remember(row.node_id, outputs)

    def _remember(self, node_id: str, outputs: dict[str, Items]) -> None:
        self.latest[node_id] = outputs.get("main") or next(iter(outputs.values()), [])

    def _checkpoint(self, change: Change, active: Active, outputs: dict[str, Items]) -> None:
        """Write a node run's output, its end, what flows from it and how far the execution is, in one change."""
        key = (active.row.node_id, active.row.run_index)
        for edge, items in self.plan.completed(key, outputs, keep_open=active.row.keep_open):
            data = {
                "edge": edge.model_dump(include={"source", "source_output", "target", "target_input"}),
                "run_index": key[1],
                "items": len(items),
                "bytes": len(orjson.dumps(items)),
                "preview": preview({"main": items}),
            }
            change.events.append(lifecycle.event(self.execution, "data_flow", data))
        change.events.append(lifecycle.event(self.execution, "progress", self._progress()))
        self._submit(change)

    def _progress(self) -> dict[str, Any]:
        ended = {row.node_id for row in self.rows.values() if NodeRunStatus(row.status).ended}
        busy = {key[0] for key in (*self.active, *self.waiting)}
        done, total = len(ended - busy), len(self.graph.nodes)
        remaining = self._elapsed_ms() / done * (total - done) if done else None
        return {
            "completed": done,
            "total": total,
            "in_progress": len(busy),
            "estimated_remaining_ms": None if remaining is None else round(remaining, 1),
        }

    def _release(self) -> None:
        """Everything active waits: give the lease back until the first is due."""
        due: datetime = min(active.row.wake_at for active in self.waiting.values() if active.row.wake_at)
        self._submit(lifecycle.release_waiting(self.execution, self.lease, due)).result()
        self.over = True

    def _abandon(self) -> None:
        for active in self.active.values():
            active.cancelled.set()

    def _end(self, status: ExecutionStatus, data: dict[str, Any], change: Change | None = None) -> None:
        """Write the end of the execution, and of every node run that has not ended, in one change."""
        self._abandon()
        change = change or Change(self.lease)
        for active in (*self.active.values(), *self.waiting.values()):
            change += lifecycle.cancel_node(self.lease, active.row)
        change += lifecycle.end(self.execution, self.lease, status, list(self.rows.values()), data)
        self._submit(change).result()
        self.over = True

    def _submit(self, change: Change) -> Future[None]:
        """Hand a change to the recorder. Raises LeaseLost as soon as one that was submitted before was refused."""
        self.uncommitted += 1
        if self.last_commit is not None and (self.last_commit.done() or self.uncommitted > MAX_UNCOMMITTED):
            self.last_commit.result()
            self.uncommitted = 0
        self.last_commit = recorder().submit(change)
        return self.last_commit
