"""One execution, from its claim to its end, to a wait or pause, or to the loss of its lease.

An actor: everything that happens to it (the end of an attempt, a passed time, a request, a lost lease) is a message,
and after each it decides what follows. What it decides is written by the recorder; it never waits for that, except that
a node which touches the world starts only when the checkpoints that it rests on are committed.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.utils import timezone

from executions import lifecycle
from executions.domain.errors import NodeError
from executions.domain.statuses import ExecutionStatus, NodeRunStatus
from executions.engine.attempt import Outcome, packed, preview
from executions.engine.cached import Served
from executions.engine.driver import TURN_SECONDS
from executions.engine.invocation import Active
from executions.engine.lease import heartbeats
from executions.engine.node_runs import HOLD_SECONDS, NodeRuns
from executions.engine.planner import RestoredRun, RunKey
from executions.engine.recorder import LeaseLost
from executions.engine.run_state import MAX_UNCOMMITTED
from executions.lifecycle import Change
from executions.models import NodeRun, Wait
from executions.waits import waits

logger = logging.getLogger(__name__)

FAIR_TURNS = 20
"""Ends of node runs that it handles in one turn before the others have theirs."""
LOST_WHILE_RUNNING = "The worker was lost while the node ran; nodes of this type are not run again."


def worker_name() -> str:
    """Return how this process is named in leases and events."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_due(row: NodeRun, now: datetime) -> bool:
    return row.wake_at is not None and row.wake_at <= now


def _attempt_of(row: NodeRun) -> tuple[str, int, int]:
    return row.node_id, row.run_index, row.attempt


class Run(NodeRuns):
    """An execution from its claim on: what happens to it, and what follows."""

    def start(self) -> None:
        """Begin, or go on where the node runs say."""
        self._driver.add(self)
        self.held = heartbeats().hold(self)
        if self.asking:
            self._in_thread(self._ask_cache)
            self.tell(self._advance)
        else:
            self.tell(self._begin_all)

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

    def _advance(self) -> None:
        """Do whatever can be done now."""
        handled, until = 0, time.monotonic() + TURN_SECONDS
        while not self.over:
            self._look_around()
            if self.over or self.uncommitted >= MAX_UNCOMMITTED:
                break
            if not self._holds_back() and not self._begin_some(until):
                break
            if not self.ends:
                self._rest()
                break
            active, outcome = self.ends.popleft()
            key = (active.row.node_id, active.row.run_index)
            if self.active.get(key) is active:  # else: it was given up, and its late end is of no interest
                del self.active[key]
                self._ended(active, outcome)
            handled += 1
            if handled >= FAIR_TURNS or time.monotonic() > until:
                self.tell(self._advance)
                break
        self.next_due = None if self.over else self._next_due()

    def _begin_some(self, until: float) -> bool:
        """Begin what is ready, at least one. Returns whether all of it has begun: if not, another turn follows."""
        self._skip_unreachable()
        self.to_begin.extend(self.plan.take_ready())
        while self.to_begin:
            self._begin(self.to_begin.popleft())
            if self.to_begin and self.uncommitted >= MAX_UNCOMMITTED:
                return False  # it goes on when half of that is written
            if self.to_begin and time.monotonic() > until:
                self.tell(self._advance)
                return False
        return True

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

    def _ask_cache(self) -> None:
        self.tell(partial(self._cache_answered, self.result.ask()))

    def _cache_answered(self, served: Served | None) -> None:
        self.asking = False
        if self.over:
            self._in_thread(self.result.leave)
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
            outputs, sizes = packed(served.outputs)
            self._set_output(row, outputs, sum(sizes.values()))
            change += lifecycle.complete_node(self.execution, self.lease, row, preview(outputs))
        if served.response is not None:
            self.response = change.execution_fields["response"] = served.response
        self._end(ExecutionStatus.COMPLETED, {"cached_from": str(served.execution_id)}, change)

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
