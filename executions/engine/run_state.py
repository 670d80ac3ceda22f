"""What is known of a running execution, and how it is written: rows, outputs, progress, the end."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from django.conf import settings

from executions import lifecycle
from executions.admission import after_commit
from executions.domain.graph import Node
from executions.domain.items import Items, PackedItems
from executions.domain.statuses import ExecutionStatus
from executions.engine.attempt import Outcome
from executions.engine.cached import WholeResult
from executions.engine.definition import Definition
from executions.engine.driver import Actor, Driver
from executions.engine.invocation import Active
from executions.engine.lease import Held, heartbeats
from executions.engine.planner import Plan, Ready, RunKey
from executions.engine.recorder import recorder
from executions.lifecycle import Change, ClaimedExecution
from executions.models import NodeRun
from executions.waits import responses

MAX_UNCOMMITTED = 64
"""Changes that one execution may have on their way to the log: a loop of fast nodes waits for the database."""


class RunState(Actor):
    """An execution in memory. `done` is called once, when nothing of it runs here any more."""

    def __init__(
        self, driver: Driver, claimed: ClaimedExecution, definition: Definition, done: Callable[[RunState], None]
    ) -> None:
        super().__init__(driver, claimed.execution.workspace_id)
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
        self.to_begin: deque[Ready] = deque()
        """What can start, when there is time: of many nodes that become ready at once each turn begins some."""
        self.ends: deque[tuple[Active, Outcome]] = deque()
        self.uncommitted = 0
        limit = definition.settings.get("max_execution_time_ms") or settings.PERF_MAX_EXECUTION_TIME_MS
        self.limit_ms = int(limit)
        self.began = time.monotonic()
        self.over = False
        self.error: Exception | None = None
        self.held: Held | None = None
        """The lease as it is renewed, from the start on."""
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

    @abstractmethod
    def _advance(self) -> None:
        """Do whatever can be done now."""

    def _committed(self, error: BaseException | None) -> None:
        """A change has been written, or not (called by the recorder's thread)."""
        with self._guard:
            self.uncommitted -= 1
        if error is not None:
            self.lost = True
            self.tell(self._advance)
        elif self.uncommitted == MAX_UNCOMMITTED // 2:
            self.tell(self._advance)

    def _submit(self, change: Change, then: Callable[[BaseException | None], None] | None = None) -> None:
        """Hand a change to the recorder; `then` is called when it has been written, or not."""
        with self._guard:
            self.uncommitted += 1

        def committed(error: BaseException | None) -> None:
            self._committed(error)
            if then is not None:
                then(error)

        recorder().submit(change, committed)

    def turn_begins(self) -> None:
        """Tell since when this turn lasts: a lease is not renewed for an execution that is stuck in one."""
        if self.held is not None:
            self.held.turn_begins()

    def turn_is_over(self) -> None:
        """Tell that the turn has come to its end."""
        if self.held is not None:
            self.held.turn_is_over()

    def _in_thread(self, call: Callable[[], object]) -> None:
        """Have a thread for nodes make the call, which may wait or compute for long."""
        self._driver.nodes.submit(call, self.workspace, self.execution.pk)

    def _ran_ms(self) -> float:
        """Return how long it has run, waits and pauses not counted."""
        return self.execution.ran_ms + (time.monotonic() - self.began) * 1000

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

    def _state(self) -> dict[str, Any] | None:
        """Return what those who wait for the execution want to know; None if it is too much to tell them."""
        if isinstance(self.last_given, PackedItems):
            return None
        completed = self.execution.status == ExecutionStatus.COMPLETED.value
        return {
            "status": self.execution.status,
            "response": self.response,
            "items": self.last_given if completed and self.response is None else [],
        }

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
        self._leave(change, then=after_commit.follow_up if follow_up else after_commit.admit)

    def _leave(self, change: Change, then: Callable[[], None] = after_commit.admit) -> None:
        """Write the last change under this lease, and let go once it is written."""
        self.over = True

        def written(error: BaseException | None) -> None:
            if error is None:
                self.result.confirm()
                then()
                if self.execution.awaited:
                    responses.notify(self.execution.pk, self._state())
            self.tell(self._close)

        self._submit(change, written)

    def _close(self) -> None:
        """Nothing of the execution runs here any more."""
        self.over, self.next_due = True, None
        for active in self.active.values():
            active.cancelled.set()
        self.result.cancelled.set()
        if self.result.wanted:
            self._in_thread(self.result.leave)
        heartbeats().let_go(self.lease)
        recorder().forget(self.lease)
        self._driver.remove(self)
        done, self._done = self._done, lambda run: None
        done(self)
