"""One execution, from its claim to its end, to a wait or pause, or to the loss of its lease.

An actor: everything that happens to it (the end of an attempt, a passed time, a request, a lost lease) is a message,
and after each it decides what follows. What it decides is written by the recorder; it never waits for that, except that
a node which touches the world starts only when the checkpoints that it rests on are committed.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from django.utils import timezone

from executions import answers, background, lifecycle, waits
from executions.engine.attempt import Outcome, encoded, error_data, preview
from executions.engine.cached import Served, WholeResult, is_cached
from executions.engine.definition import Definition
from executions.engine.driver import Actor, Driver
from executions.engine.invocation import Active, work
from executions.engine.lease import heartbeats
from executions.engine.planner import Items, Plan, Ready, RestoredRun, RunKey
from executions.engine.recorder import LeaseLost, recorder
from executions.graph import ERROR_OUTPUT, Node
from executions.lifecycle import Change, Claimed
from executions.models import NodeRun, Wait
from executions.nodes.base import NodeError, NodeResult, WaitFor
from executions.statuses import ExecutionStatus, NodeRunStatus

logger = logging.getLogger(__name__)

MAX_UNCOMMITTED = 64
"""Changes that one execution may have on their way to the log: a loop of fast nodes waits for the database."""
FAIR_TURNS = 20
"""Ends of node runs that it handles in one turn before the others have theirs."""
HOLD_SECONDS = 0.25
"""What is due sooner is waited for with the lease in hand."""
LOST_WHILE_RUNNING = "The worker was lost while the node ran; nodes of this type are not run again."


def worker_name() -> str:
    """Return how this process is named in leases and events."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_due(row: NodeRun, now: datetime) -> bool:
    return row.wake_at is not None and row.wake_at <= now


def _attempt_of(row: NodeRun) -> tuple[str, int, int]:
    return row.node_id, row.run_index, row.attempt


class Run(Actor):
    """The execution in memory: plan, rows, outputs. `done` is called once, when nothing of it runs here any more."""

    def __init__(self, driver: Driver, claimed: Claimed, definition: Definition, done: Callable[[Run], None]) -> None:
        super().__init__(driver)
        self.execution, self.lease, self.restored = claimed.execution, claimed.lease, claimed.runs
        self.definition, self.graph = definition, definition.graph
        self.plan = Plan(self.graph, definition.is_join)
        self.rows: dict[RunKey, NodeRun] = {}
        self.done_nodes: set[str] = set()
        self.latest: dict[str, Items] = {}
        self.last_given: Items = []
        self.output_bytes = sum(run.output_bytes for run in claimed.runs)
        self.last_giver: tuple[str, dict[str, Items]] | None = None
        self.response = claimed.execution.response
        self.active: dict[RunKey, Active] = {}
        self.waiting: dict[RunKey, Active] = {}
        self.ends: deque[tuple[Active, Outcome]] = deque()
        self.uncommitted = 0
        limit = definition.settings.get("max_execution_time_ms") or settings.PERF_MAX_EXECUTION_TIME_MS
        self.limit_ms = int(limit)
        self.began = time.monotonic()
        self.over = False
        self.error: Exception | None = None
        self._done = done
        self.result = WholeResult(self.execution, definition, begun=bool(self.restored))
        self.asking = self.result.wanted
        """It is not yet known whether the result cache has the result: nothing begins."""
        # What the heartbeats hear, taken up at the next turn.
        self.lost = False
        self.cancel: dict[str, Any] | None = None
        self.pause: dict[str, Any] | None = None
        self.woken = False
        self.stopping = False

    def __repr__(self) -> str:
        return f"execution {self.execution.pk}"

    def start(self) -> None:
        """Begin, or go on where the node runs say."""
        self._driver.add(self)
        heartbeats().hold(self)
        if self.asking:
            self._driver.nodes.submit(self._ask_cache)
            self.tell(self._advance)
        else:
            self.tell(self._begin_all)

    # --- messages from other threads -------------------------------------------------------------------------------

    def lease_is_lost(self) -> None:
        """Somebody else has the execution, or it has ended: write nothing more."""
        self.lost = True
        self.tell(self._advance)

    def is_asked(self, cancel: dict[str, Any] | None, pause: dict[str, Any] | None, woken: bool) -> None:
        """Take up a request to cancel or pause, or the news that something waited for has come."""
        if (cancel, pause, woken) != (self.cancel, self.pause, self.woken):
            self.cancel, self.pause, self.woken = cancel, pause, woken
            if woken:
                self.tell(self._take_up_wakings)
            self.tell(self._advance)

    def stop(self) -> None:
        """The worker stops: hand the execution over at its checkpoint."""
        self.stopping = True
        self.tell(self._advance)

    def broke(self, error: Exception) -> None:
        """A bug: give the execution up. It is recovered, and fails after MAX_RECOVERIES of them."""
        if not isinstance(error, LeaseLost):
            logger.exception("%r broke", self)
        self.error = error
        self._close()

    def tick(self) -> None:
        """Give up what took too long, start what is due."""
        if self.over:
            return
        now, wall = time.monotonic(), timezone.now()
        for active in list(self.active.values()):
            if active.again_at is not None and active.again_at <= now:
                active.again_at, active.started = None, now
                self._attempt(active)
            elif (seconds := self._timeout_of(active)) and now - active.started > seconds:
                self._give_up(active, seconds)
        if not self._holds_back():
            self._wake({key for key, active in self.waiting.items() if _is_due(active.row, wall)})
        self._advance()

    def _attempt_ended(self, active: Active, outcome: Outcome) -> None:
        if not self.over:
            self.ends.append((active, outcome))
            self._advance()

    def _committed(self, error: BaseException | None) -> None:
        """A change has been written, or not (called by the recorder's thread)."""
        with self._guard:
            self.uncommitted -= 1
        if error is not None:
            self.lost = True
            self.tell(self._advance)
        elif self.uncommitted == MAX_UNCOMMITTED // 2:
            self.tell(self._advance)

    # --- what follows ----------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Do whatever can be done now."""
        handled = 0
        while not self.over:
            self._look_around()
            if self.over or self.uncommitted >= MAX_UNCOMMITTED:
                break
            if not self._holds_back():
                self._skip_unreachable()
                for ready in self.plan.take_ready():
                    self._begin(ready)
            if not self.ends:
                self._rest()
                break
            active, outcome = self.ends.popleft()
            key = (active.row.node_id, active.row.run_index)
            if self.active.get(key) is active:  # else: it was given up, and its late end is of no interest
                del self.active[key]
                self._ended(active, outcome)
            handled += 1
            if handled >= FAIR_TURNS:
                self.tell(self._advance)
                break
        self.next_due = None if self.over else self._next_due()

    def _holds_back(self) -> bool:
        return self.pause is not None or self.stopping or self.asking

    def _look_around(self) -> None:
        """End on cancellation or deadline. Raises LeaseLost."""
        if self.lost:
            raise LeaseLost(LeaseLost.__doc__)
        if self.cancel is not None:
            self._end(ExecutionStatus.CANCELLED, {"reason": "Asked for.", "by": None} | self.cancel)
        elif self._ran_ms() > self.limit_ms:
            self._end(ExecutionStatus.TIMED_OUT, {"limit_ms": self.limit_ms})
        elif self.stopping:
            self._leave(lifecycle.hand_over(self.lease, self._ran_ms()))

    def _rest(self) -> None:
        """Nothing more can be done now: end, give the lease back, or wait for the next message."""
        if self.asking:
            return
        if self.plan.ended:
            node_id, outputs = self.last_giver or (None, {})
            self.result.gave(node_id, outputs, self.response, self.rows.values())
            self._end(ExecutionStatus.COMPLETED, {})
        elif self.active:
            return
        elif self.pause is not None:
            self._leave(lifecycle.release_paused(self.execution, self.lease, self.pause, self._ran_ms()))
        elif not self.woken:
            times = [active.row.wake_at for active in self.waiting.values() if active.row.wake_at]
            until: datetime | None = min(times, default=None)
            if until is None or until > timezone.now() + timedelta(seconds=HOLD_SECONDS):
                self._leave(lifecycle.release_waiting(self.execution, self.lease, until, self._ran_ms()))

    def _ran_ms(self) -> float:
        """Return how long it has run, waits and pauses not counted."""
        return self.execution.ran_ms + (time.monotonic() - self.began) * 1000

    def _next_due(self) -> float:
        due = [self.began + (self.limit_ms - self.execution.ran_ms) / 1000]
        for active in self.active.values():
            if active.again_at is not None:
                due.append(active.again_at)
            elif (seconds := self._timeout_of(active)) is not None:
                due.append(active.started + seconds)
        now, wall = time.monotonic(), timezone.now()
        waiting = () if self._holds_back() else self.waiting.values()
        wakes = [active.row.wake_at for active in waiting if active.row.wake_at]
        return min([*due, *(now + (wake - wall).total_seconds() for wake in wakes)])

    def _timeout_of(self, active: Active) -> float | None:
        return self.graph.nodes[active.row.node_id].timeout

    def _give_up(self, active: Active, seconds: float) -> None:
        if not active.cancelled.is_set():
            active.cancelled.set()
            error = NodeError(f"The node took longer than its timeout of {seconds:g} s.", retryable=True)
            self.ends.append((active, Outcome(None, error, (time.monotonic() - active.started) * 1000)))

    # --- the result cache ------------------------------------------------------------------------------------------

    def _ask_cache(self) -> None:
        self.tell(partial(self._cache_answered, self.result.ask()))

    def _cache_answered(self, served: Served | None) -> None:
        self.asking = False
        if self.over:
            self._driver.nodes.submit(self.result.leave)
        elif served is None:
            self._begin_all()
        else:
            self._serve(served)

    def _serve(self, served: Served) -> None:
        """End with the result of an earlier execution: the node that gave it has it from the cache, no other ran."""
        change = Change(self.lease, execution_fields={"cached_from": served.execution_id})
        if (node := self.graph.nodes.get(served.node or "")) is not None:
            row = self._new_row(node, 0)
            change += lifecycle.start_node(self.execution, self.lease, row, 0)
            row.from_cache, row.duration_ms = True, 0.0
            self._set_output(row, served.outputs, sum(encoded(served.outputs).values()))
            change += lifecycle.complete_node(self.execution, self.lease, row, preview(served.outputs))
        if served.response is not None:
            self.response = change.execution_fields["response"] = served.response
        self._end(ExecutionStatus.COMPLETED, {"cached_from": str(served.execution_id)}, change)

    # --- beginning -------------------------------------------------------------------------------------------------

    def _begin_all(self) -> None:
        rows = self.restored
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
        self.done_nodes = {row.node_id for row in rows if NodeRunStatus(row.status).ended}
        trigger = (self.execution.trigger_node, self.execution.input)
        begun = self.plan.restore(restored, trigger, skipped, self.execution.replaced_input)
        now = timezone.now()
        active = [Active(ready, self.rows[ready.node_id, ready.run_index]) for ready in begun]
        due = {_attempt_of(a.row) for a in active if a.row.status == NodeRunStatus.WAITING and _is_due(a.row, now)}
        waits_ = self._settled(due) if active else {}
        for each in active:
            self._go_on(each, waits_.get(_attempt_of(each.row)), now)
        self._advance()

    def _go_on(self, active: Active, wait: Wait | None, now: datetime) -> None:
        """Take up a node run that had begun: it waits on, goes on, or is tried again."""
        row, key = active.row, (active.row.node_id, active.row.run_index)
        active.awaits = wait is not None
        waits_ = row.status == NodeRunStatus.WAITING
        # One that runs may have been taken up already when its worker was lost: it does not wait a second time.
        over = wait.resolved_at is not None if wait else _is_due(row, now) and (waits_ or row.error is None)
        if over and (waits_ or self.definition.types[row.node_id].retry_on_crash):
            self._resume(active, wait.outcome if wait else None)
        elif waits_:
            self.waiting[key] = active
        elif not self.definition.types[row.node_id].retry_on_crash:
            self.active[key] = active
            self.ends.append((active, Outcome(None, NodeError(LOST_WHILE_RUNNING), 0)))
        else:
            self._start(active)

    def _resume(self, active: Active, outcome: dict[str, Any] | None) -> None:
        # One that waited for its next attempt still has the error of the last.
        active.resumed, active.outcome = active.row.error is None, outcome
        active.started = time.monotonic()
        self._start(active)

    def _take_up_wakings(self) -> None:
        """Resume what has been resolved while the lease was held."""
        if not self.waiting or self.over:
            self.woken = False
            return
        if self._holds_back():
            return  # it is seen when the execution goes on
        self._submit(Change(self.lease, execution_fields={"resume_at": None}), self._after_waking_is_noted)

    def _after_waking_is_noted(self, error: BaseException | None) -> None:
        # Only now: what comes after the note was taken down makes another.
        if error is None:
            self.tell(self._resume_resolved)

    def _resume_resolved(self) -> None:
        self.woken = False
        if self.over or self._holds_back():
            return
        self._wake(set(), resolved=True)
        self._advance()

    def _wake(self, due: set[RunKey], *, resolved: bool = False) -> None:
        """Resume what is due, and what has been resolved: with `resolved` a look is taken in any case."""
        late = {_attempt_of(self.waiting[key].row) for key in due if self.waiting[key].awaits}
        found = self._settled(late) if late or resolved else {}
        for key, active in list(self.waiting.items()):
            wait = found.get(_attempt_of(active.row))
            if (wait is not None and wait.resolved_at is not None) or (key in due and not active.awaits):
                del self.waiting[key]
                self._resume(active, wait.outcome if wait else None)

    def _settled(self, due: set[tuple[str, int, int]]) -> dict[tuple[str, int, int], Wait]:
        try:
            return waits.settle(self.execution, due)
        finally:
            connection.close()

    def _skip_unreachable(self) -> None:
        for node_id in self.plan.take_skipped():
            row = self._new_row(self.graph.nodes[node_id], 0)
            self.done_nodes.add(node_id)
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

    def _start(self, active: Active) -> None:
        node = self.graph.nodes[active.row.node_id]
        self.active[active.row.node_id, active.row.run_index] = active
        self.done_nodes.discard(node.id)
        node_type = self.definition.types[node.id]
        count = sum(len(items) for items in active.ready.inputs.values())
        change = lifecycle.start_node(self.execution, self.lease, active.row, count)
        if node_type.blocking and not node_type.pure and not node.disabled:
            # What it does to the world rests on checkpoints that a crash must not undo.
            self._submit(change, lambda error: None if error else self._attempt(active))
        else:
            self._submit(change)
            self._attempt(active)

    def _attempt(self, active: Active) -> None:
        """Make one attempt: here if it is quick, else in a thread of its own."""
        node = self.graph.nodes[active.row.node_id]
        call = work(active, self.definition, self.execution, dict(self.latest), partial(self._log, active))
        node_type = self.definition.types[node.id]
        if (node_type.blocking and not node.disabled) or is_cached(node, node_type):
            self._driver.nodes.submit(lambda: self._call_elsewhere(active, call))
        else:
            self.ends.append((active, call()))

    def _call_elsewhere(self, active: Active, call: Callable[[], Outcome]) -> None:
        try:
            outcome = call()
        finally:
            connection.close()
        self.tell(partial(self._attempt_ended, active, outcome))

    def _log(self, active: Active, level: str, message: str) -> None:
        data = {
            "level": level,
            "message": message[:5000],
            "node": active.row.node_id,
            "run_index": active.row.run_index,
        }
        if not self.over:
            self._submit(Change(self.lease, [lifecycle.event(self.execution, "log", data)]))

    # --- ends of node runs -----------------------------------------------------------------------------------------

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
                sizes = encoded(result.outputs, self.output_bytes)
            except NodeError as error:
                self._failed(active, error)
            else:
                self._completed(active, result, sizes)

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
        wait = wanted.row(row)
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
        if delay_ms > HOLD_SECONDS * 1000 * 8:
            row.error = error
            until = timezone.now() + timedelta(milliseconds=delay_ms)
            change += lifecycle.wait_node(self.execution, self.lease, row, "Waits for its next attempt.", until)
            self.waiting[key] = again
        else:
            again.again_at = time.monotonic() + delay_ms / 1000
            self.active[key] = again
        self._submit(change)

    def _set_output(self, row: NodeRun, outputs: dict[str, Items], size: int) -> None:
        row.output = outputs
        row.output_items = sum(len(items) for items in outputs.values())
        self.output_bytes += size - row.output_bytes
        row.output_bytes = size
        self._remember(row.node_id, outputs)

    def _remember(self, node_id: str, outputs: dict[str, Items]) -> None:
        self.latest[node_id] = outputs.get("main") or next(iter(outputs.values()), [])
        if given := next((items for items in outputs.values() if items), None):
            self.last_given, self.last_giver = given, (node_id, outputs)

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
                self._submit(change, lambda error: None if error else answers.tell(self.execution.pk, self._state()))
                return
        self._submit(change)

    def _progress(self) -> dict[str, Any]:
        busy = {key[0] for key in (*self.active, *self.waiting)}
        done, total = len(self.done_nodes - busy), len(self.graph.nodes)
        remaining = self._ran_ms() / done * (total - done) if done else None
        return {
            "completed": done,
            "total": total,
            "in_progress": len(busy),
            "estimated_remaining_ms": None if remaining is None else round(remaining, 1),
        }

    # --- the end ---------------------------------------------------------------------------------------------------

    def _end(self, status: ExecutionStatus, data: dict[str, Any], change: Change | None = None) -> None:
        """Write the end of the execution, and of every node run that has not ended, in one change."""
        change = change or Change(self.lease)
        for active in (*self.active.values(), *self.waiting.values()):
            active.cancelled.set()
            change += lifecycle.cancel_node(self.lease, active.row)
        follow_up = self.execution.parent_run_id is not None or (
            status is not ExecutionStatus.COMPLETED
            and (
                bool(self.definition.settings.get("error_workflow"))
                or any(active.awaits for active in self.waiting.values())
                or any(active.row.node_type == "execute_workflow" for active in self.active.values())
            )
        )
        change += lifecycle.end(self.execution, self.lease, status, list(self.rows.values()), data, follow_up=follow_up)
        self._leave(change, then=background.follow_up if follow_up else background.admit)

    def _leave(self, change: Change, then: Callable[[], None] = background.admit) -> None:
        """Write the last change under this lease, and let go once it is written."""
        self.over = True

        def written(error: BaseException | None) -> None:
            if error is None:
                self.result.confirm()
                then()
                if self.execution.awaited:
                    answers.tell(self.execution.pk, self._state())
            self.tell(self._close)

        self._submit(change, written)

    def _state(self) -> dict[str, Any]:
        """Return what somebody who waits for the execution wants to know."""
        completed = self.execution.status == ExecutionStatus.COMPLETED.value
        return {
            "status": self.execution.status,
            "response": self.response,
            "items": self.last_given if completed and self.response is None else [],
        }

    def _close(self) -> None:
        """Nothing of the execution runs here any more."""
        self.over, self.next_due = True, None
        for active in self.active.values():
            active.cancelled.set()
        self.result.cancelled.set()
        if self.result.wanted:
            self._driver.nodes.submit(self.result.leave)
        heartbeats().let_go(self)
        recorder().forget(self.lease)
        self._driver.remove(self)
        done, self._done = self._done, lambda run: None
        done(self)

    def _submit(self, change: Change, then: Callable[[BaseException | None], None] | None = None) -> None:
        """Hand a change to the recorder; `then` is called when it has been written, or not."""
        with self._guard:
            self.uncommitted += 1

        def committed(error: BaseException | None) -> None:
            self._committed(error)
            if then is not None:
                then(error)

        recorder().submit(change, committed)
