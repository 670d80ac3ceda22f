"""One execution, from its claim to its end, to a wait, or to the loss of its lease."""

from __future__ import annotations

import logging
import os
import queue
import resource
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection
from django.utils import timezone

from executions import lifecycle
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

PREVIEW_ITEMS = 3
PREVIEW_BYTES = 2_000
TICK_SECONDS = 0.1
"""How often a runner that waits for nodes looks for cancellation, deadline and a lost lease."""

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


@dataclass(slots=True)
class Outcome:
    """How an attempt ended: a result or an error, with what it cost."""

    result: NodeResult | None
    error: Exception | None
    duration_ms: float
    cpu_ms: float
    memory_bytes: int


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
        limit = execution.version.settings.get("max_execution_time_ms") or settings.PERF_MAX_EXECUTION_TIME_MS
        self.limit_ms = int(limit)
        self.began = time.monotonic()

    # --- the loop --------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Run until the end, a wait, or LeaseLost."""
        self._restore()
        while True:
            self._skip_unreachable()
            for ready in self.plan.take_ready():
                if not self._begin(ready):
                    return None
            if self.plan.ended:
                return self._end(ExecutionStatus.COMPLETED, {})
            if not self.active and self.ends.empty() and self.waiting:
                return self._release()
            if not self._await_one():
                return None

    def _await_one(self) -> bool:
        """Take the end of one node run, or notice why to stop. Returns False when the execution has ended."""
        while True:
            try:
                key, outcome = self.ends.get(timeout=TICK_SECONDS)
            except queue.Empty:
                if self.held.lost.is_set():
                    self._abandon()
                    raise LeaseLost(LeaseLost.__doc__) from None
                if self.held.cancel_requested.is_set():
                    self._end(ExecutionStatus.CANCELLED, {"reason": "Asked for.", "by": None})
                    return False
                if self._elapsed_ms() > self.limit_ms:
                    self._end(ExecutionStatus.TIMED_OUT, {"limit_ms": self.limit_ms})
                    return False
                for timed_out in self._timed_out():
                    seconds = timed_out.ready and self.graph.nodes[timed_out.ready.node_id].timeout
                    timed_out.cancelled.set()
                    error = NodeError(f"The node took longer than its timeout of {seconds:g} s.", retryable=True)
                    elapsed = (time.monotonic() - timed_out.started) * 1000
                    self.ends.put(
                        (
                            (timed_out.ready.node_id, timed_out.ready.run_index),
                            Outcome(None, error, elapsed, 0, 0),
                        )
                    )
                continue
            if key in self.active:  # else: it was given up, and its late end is of no interest
                return self._ended(self.active.pop(key), outcome)

    def _elapsed_ms(self) -> float:
        began = self.execution.started_at or timezone.now()
        return (timezone.now() - began).total_seconds() * 1000

    def _timed_out(self) -> list[Active]:
        now = time.monotonic()
        return [
            active
            for active in self.active.values()
            if (limit := self.graph.nodes[active.ready.node_id].timeout) is not None
            and now - active.started > limit
            and not active.cancelled.is_set()
        ]

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

    def _begin(self, ready: Ready) -> bool:
        """Start a node run. Returns False when the execution has ended over it."""
        node = self.graph.nodes[ready.node_id]
        row = self._new_row(node, ready.run_index)
        row.inputs = {name: refs for name, refs in ready.references.items() if refs[0]["run_index"] >= 0}
        self._start(Active(ready, row))
        return True

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
        node_type = self._type(node)
        ready = active.ready
        inputs = ready.inputs

        def attempt() -> Outcome:
            began, cpu, memory = time.perf_counter(), time.thread_time(), _peak_memory()
            result, error = None, None
            try:
                if node.disabled:
                    outputs = node_type.output_names(node.parameters)
                    items = [item for received in inputs.values() for item in received]
                    result = NodeResult({outputs[0]: items} if outputs else {})
                else:
                    context: NodeContext[Any] = NodeContext(
                        node=node,
                        parameters_type=node_type.Parameters,
                        inputs=inputs,
                        evaluator=Evaluator(self._scope(inputs)),
                        idempotency_key=active.row.idempotency_key,
                        log=lambda level, message: self._log(active, level, message),
                        cancelled=active.cancelled,
                        turns=ready.turns,
                        resumed=resumed,
                    )
                    result = node_type.run(context)
            except Exception as raised:
                if not isinstance(raised, NodeError):
                    logger.exception("node %s of execution %s raised", node.id, self.execution.pk)
                error = raised
            return Outcome(
                result,
                error,
                round((time.perf_counter() - began) * 1000, 3),
                round((time.thread_time() - cpu) * 1000, 3),
                max(0, _peak_memory() - memory),
            )

        return attempt

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

    def _ended(self, active: Active, outcome: Outcome) -> bool:
        row = active.row
        row.duration_ms, row.cpu_ms = outcome.duration_ms, outcome.cpu_ms
        row.memory_bytes = outcome.memory_bytes
        if outcome.result is not None and outcome.result.wait_until is not None:
            self._submit(lifecycle.wait_node(self.execution, self.lease, row, outcome.result.wait_until))
            self.waiting[row.node_id, row.run_index] = active
            return True
        error = outcome.error
        if outcome.result is not None:
            encoded = _encoded(outcome.result.outputs)
            if isinstance(encoded, NodeError):
                error = encoded
            else:
                return self._completed(active, outcome.result, len(encoded))
        assert error is not None
        return self._failed(active, error)

    def _completed(self, active: Active, result: NodeResult, size: int) -> bool:
        row = active.row
        outputs = {name: items for name, items in result.outputs.items() if items}
        self._set_output(row, outputs, size)
        row.keep_open = result.keep_open
        self._checkpoint(lifecycle.complete_node(self.execution, self.lease, row, _preview(outputs)), active, outputs)
        return True

    def _failed(self, active: Active, error: Exception) -> bool:
        row, node = active.row, self.graph.nodes[active.row.node_id]
        retryable = isinstance(error, NodeError) and error.retryable
        message = str(error) if isinstance(error, NodeError) else f"{type(error).__name__}: {error}"
        data = {
            "type": type(error).__name__,
            "message": message[:5000],
            "node": node.id,
            "retryable": retryable,
        }
        if retryable and row.attempt < node.retry.attempts:
            self._retry(active, node, data)
            return True
        if node.on_error == "stop":
            change = lifecycle.fail_node(self.execution, self.lease, row, data, "stop")
            self._end(ExecutionStatus.FAILED, {"error": data}, change)
            return False
        items: Items = [{"error": {"message": message, "type": data["type"]}}]
        if node.on_error == "route":
            received = [item for items_ in active.ready.inputs.values() for item in items_]
            items = [item | items[0] for item in received] or items
        outputs = {ERROR_OUTPUT if node.on_error == "route" else "main": items}
        self._set_output(row, outputs, len(orjson.dumps(outputs)))
        change = lifecycle.fail_node(self.execution, self.lease, row, data, node.on_error)
        self._checkpoint(change, active, outputs)
        return True

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
                "preview": _preview({"main": items}),
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

    def _submit(self, change: Change) -> Future[None]:
        if self.last_commit is not None and self.last_commit.done():
            self.last_commit.result()  # raises LeaseLost as soon as one write was refused
        self.last_commit = recorder().submit(change)
        return self.last_commit


def _peak_memory() -> int:
    """Return the most memory that this process has used so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _encoded(outputs: dict[str, Items]) -> bytes | NodeError:
    """Return the outputs as JSON, or why they cannot be kept."""
    try:
        encoded = orjson.dumps(outputs)
    except TypeError as error:
        return NodeError(f"The output is not JSON: {error}.")
    if len(encoded) > settings.NODE_OUTPUT_MAX_BYTES:
        return NodeError(f"The output has {len(encoded)} bytes; at most {settings.NODE_OUTPUT_MAX_BYTES} are allowed.")
    if b"\\u0000" in encoded:
        return NodeError("The output holds the character U+0000, which cannot be stored.")
    return encoded


def _preview(outputs: dict[str, Items]) -> list[Any] | None:
    """Return the first items, if they are small and previews are wanted."""
    if not settings.EVENT_PREVIEWS:
        return None
    items = next(iter(outputs.values()), [])[:PREVIEW_ITEMS]
    while items and len(orjson.dumps(items)) > PREVIEW_BYTES:
        items = items[:-1]
    return items
