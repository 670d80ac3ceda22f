"""One execution in a worker process, from its claim to its end, to a wait or pause, or to the loss of its lease."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone

from executions import lifecycle
from executions.admission import after_commit
from executions.domain.statuses import ExecutionStatus
from executions.engine.definition import Definition
from executions.engine.driver import Driver
from executions.engine.flow import RunKey
from executions.engine.journal import Journal
from executions.engine.lease import heartbeats
from executions.engine.mailbox import TURN_SECONDS, Mailbox
from executions.engine.node_attempt import ActiveNodeRun, NodeOutcome
from executions.engine.node_runner import NodeRunner
from executions.engine.recorder import recorder
from executions.engine.result_cache import CachedResult, ExecutionCache
from executions.engine.state import ExecutionState
from executions.lifecycle import Change, ClaimedExecution, Lease
from executions.overview.usual import usual_duration
from executions.waits import responses
from workflow_platform.core.logs import execution_logging

logger = logging.getLogger(__name__)

OUTCOMES_PER_TURN = 20
"""The most ended attempts to handle in one turn, before the turns of other executions."""
HOLD_SECONDS = 0.25
"""A wait that ends sooner keeps the lease in this process."""


class ExecutionActor:
    """Decides what an execution does next, after each message.

    Every event of the execution is a message: the end of an attempt, a timer, a request, a lost lease. The actor never
    blocks: a node with external effects starts in a callback, once the checkpoints that it depends on are committed.
    """

    def __init__(
        self,
        driver: Driver,
        claimed: ClaimedExecution,
        definition: Definition,
        on_closed: Callable[[ExecutionActor], None],
        on_begun: Callable[[Callable[[], None]], None] = lambda then: then(),
    ) -> None:
        """`on_closed` is called once, when the execution no longer runs in this process. `on_begun` is called when a
        new execution goes on after its first turn, and calls what it is given before anything is done outside."""
        execution = claimed.execution
        self._driver, self._definition, self._on_closed, self._on_begun = driver, definition, on_closed, on_begun
        self._workspace, self._execution = execution.workspace_id, execution
        self.lease: Lease = claimed.lease
        self.error: Exception | None = None
        """The unexpected error that stopped it; None if it ended normally or lost its lease."""
        self.next_due: float | None = None
        limit_ms = definition.settings.get("max_execution_time_ms") or settings.PERF_MAX_EXECUTION_TIME_MS
        self._state = ExecutionState(execution, claimed.lease, int(limit_ms), usual_duration(execution))
        in_context = partial(execution_logging, execution)
        self._mailbox = Mailbox(driver.turns, self._workspace, self._on_error, in_context, self._after_turn)
        self.tell = self._mailbox.tell
        self._journal = Journal(recorder(), self._state, partial(self.tell, self.advance), self._on_commit_failed)
        self._nodes = NodeRunner(
            self._state,
            definition,
            claimed.runs,
            self._run_in_thread,
            self._tell_attempt_ended,
            self._write_from_node,
            lambda active, done, failed: self.tell(partial(self._write_progress, active, done, failed)),
        )
        self._cache = ExecutionCache(execution, definition, has_begun=bool(claimed.runs))
        self._state.awaiting_cache = self._cache.enabled
        self.is_beginning = claimed.begins
        """The claim is not committed yet."""
        self._after_begin: list[Callable[[], object]] | None = [] if claimed.begins else None
        """The calls for threads that wait until the claim is committed; None once they are made."""
        self._closed = False
        self._notified_status = ""

    def __repr__(self) -> str:
        return f"execution {self._execution.pk}"

    def start(self) -> None:
        """Begin, or continue from the stored node runs."""
        self._driver.add(self)
        go_on = self._resume
        if self._state.awaiting_cache:
            self._run_in_thread(self._look_up_cache)
            go_on = self.advance
        if self.is_beginning:
            self.tell(partial(self._begin, go_on))
        else:
            self._mailbox.watch = heartbeats().hold(self)
            self.tell(go_on)

    def _begin(self, go_on: Callable[[], None]) -> None:
        """Claim the execution in one commit with what its first turn does. Until then only its turns work for it."""
        self._journal.submit(lifecycle.begin(self._execution, self.lease), self._on_begin_committed)
        go_on()

    def _on_begin_committed(self) -> None:
        self.is_beginning = False
        if self._state.is_over:  # most executions end in their first turn
            return
        self._mailbox.watch = heartbeats().hold(self)
        if self._closed:
            heartbeats().release(self.lease)
        self._on_begun(lambda: self.tell(self._go_outside))

    def _go_outside(self) -> None:
        calls, self._after_begin = self._after_begin or [], None
        if not self._state.is_over:
            for call in calls:
                self._run_in_thread(call)

    # --- messages, from any thread ---------------------------------------------------------------------------------

    def on_lease_lost(self) -> None:
        """Stop writing: another worker holds the execution, or it has ended."""
        self._state.lease_lost = True
        self.tell(self._abandon)

    def on_control_request(
        self, cancel: dict[str, Any] | None, pause: dict[str, Any] | None, woken: bool, read_at: float
    ) -> None:
        """Take the requests as they were at `read_at`, and whether a wait has been resolved."""
        state = self._state
        changed = (cancel, pause, woken) != (state.cancel_request, state.pause_request, state.woken)
        state.cancel_request, state.pause_request, state.woken = cancel, pause, woken
        state.requests_read_at = read_at  # last: it stands for the values above
        if changed and woken:
            self.tell(self._acknowledge_wakeup)
        if changed or pause is not None:
            self.tell(self.advance)

    def stop(self) -> None:
        """Hand the execution over at its checkpoint: the worker stops."""
        self._state.stopping = True
        self.tell(self.advance)

    def _tell_attempt_ended(self, active: ActiveNodeRun, outcome: NodeOutcome) -> None:
        self.tell(partial(self._on_attempt_ended, active, outcome))

    def _after_turn(self, turn_follows: bool) -> None:
        self._journal.flush(turn_follows=turn_follows)

    def _on_commit_failed(self) -> None:
        self._state.lease_lost = True
        self.tell(self._close)

    # --- turns -----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Handle what is due: retries, timeouts, waits, the deadline."""
        if self._state.is_over:
            return
        self._nodes.tick()
        if self._state.may_begin_nodes:
            self._apply_wakeups()
        self.advance()

    def advance(self) -> None:
        """Apply requests and continue the execution as far as possible."""
        state, nodes = self._state, self._nodes
        handled, until = 0, time.monotonic() + TURN_SECONDS
        while not state.is_over:
            self._apply_pending_requests()
            if state.released or state.has_backlog:
                break
            if state.may_begin_nodes and not self._begin_ready(until):
                break
            if not nodes.ended_attempts:
                self._suspend()
                break
            self._finish(*nodes.ended_attempts.popleft())
            handled += 1
            if handled >= OUTCOMES_PER_TURN or time.monotonic() > until:
                self.tell(self.advance)
                break
        self.next_due = None if state.is_over else self._next_due()

    def _apply_pending_requests(self) -> None:
        """End for a cancellation or the deadline; hand over if the worker stops."""
        state = self._state
        if state.cancel_request is not None:
            self._end(ExecutionStatus.CANCELLED, {"reason": "Requested.", "by": None} | state.cancel_request)
        elif state.is_past_deadline:
            self._end(ExecutionStatus.TIMED_OUT, {"limit_ms": state.limit_ms})
        elif state.stopping:
            self._release(lifecycle.hand_over(self.lease, state.ran_ms))

    def _suspend(self) -> None:
        """End the execution, release the lease, or keep it until the next message."""
        state, nodes = self._state, self._nodes
        if state.awaiting_cache:
            return
        if nodes.has_ended:
            self._cache.set_result(nodes.outputs, nodes.ancestry, nodes.rows.values())
            self._end(ExecutionStatus.COMPLETED, {})
        elif nodes.active:
            return
        elif state.pause_request is not None:
            if state.may_pause:  # otherwise the next reading of the requests decides
                self._release(lifecycle.release_paused(self._execution, self.lease, state.pause_request, state.ran_ms))
        elif not state.woken:
            until: datetime | None = min(nodes.wake_times(), default=None)
            if until is None or until > timezone.now() + timedelta(seconds=HOLD_SECONDS):
                self._release(lifecycle.release_waiting(self._execution, self.lease, until, state.ran_ms))

    def _next_due(self) -> float:
        due = min(self._nodes.due_at(), default=self._state.deadline)
        if self._nodes.waiting and self._state.may_begin_nodes and (wake_times := self._nodes.wake_times()):
            wake_in = (min(wake_times) - timezone.now()).total_seconds()
            due = min(due, time.monotonic() + wake_in)
        return min(due, self._state.deadline)

    # --- nodes -----------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Begin, or continue from the stored node runs."""
        for active in self._nodes.restore():
            self._go_on(active)
        self.advance()

    def _begin_ready(self, until: float) -> bool:
        """Begin ready node runs, at least one. Returns whether all have begun; if not, another turn follows."""
        nodes = self._nodes
        for change in nodes.skip_unreachable():
            self._journal.submit(change)
        nodes.collect_ready()
        while nodes.to_begin:
            ready = nodes.to_begin.popleft()
            if (skipped := nodes.skip_chosen(ready)) is not None:
                self._journal.submit(skipped)
                self.tell(self.advance)  # what it makes ready begins in another turn
                return False
            self._start(nodes.begin(ready))
            if nodes.to_begin and self._state.has_backlog:
                return False  # the journal calls when half of it is committed
            if nodes.to_begin and time.monotonic() > until:
                self.tell(self.advance)
                return False
        return True

    def _go_on(self, active: ActiveNodeRun) -> None:
        """Start a node run again after a wait, or end it as the answer to its hold says."""
        if self._state.is_over:  # the node run before it has ended the execution
            return
        ended = self._nodes.end_held(active)
        if ended is None:
            self._start(active)
        else:
            self._write_end(ended)

    def _start(self, active: ActiveNodeRun) -> None:
        change = self._nodes.start(active)
        if self._nodes.needs_commit(active):
            self._journal.submit(change, lambda: self.tell(partial(self._on_start_committed, active)))
        else:
            self._journal.submit(change)
            self._nodes.attempt(active)

    def _on_start_committed(self, active: ActiveNodeRun) -> None:
        """Make an attempt with external effects, unless it was abandoned meanwhile."""
        key: RunKey = (active.row.node_id, active.row.run_index)
        if not self._state.is_over and self._nodes.active.get(key) is active:
            self._nodes.attempt(active)

    def _on_attempt_ended(self, active: ActiveNodeRun, outcome: NodeOutcome) -> None:
        if not self._state.is_over:
            self._state.attempt_ended_at = time.monotonic()
            self._nodes.ended_attempts.append((active, outcome))
            self.advance()

    def _finish(self, active: ActiveNodeRun, outcome: NodeOutcome) -> None:
        """Write how an attempt ended."""
        change = self._nodes.finish(active, outcome)
        if change is not None:
            self._write_end(change)

    def _write_end(self, change: Change) -> None:
        if self._nodes.fatal_error is not None:
            self._end(ExecutionStatus.FAILED, {"error": self._nodes.fatal_error}, change)
        elif self._execution.awaited and "response" in change.execution_fields:
            self._journal.submit(change, self._notify_waiters)
        else:
            self._journal.submit(change)

    def _write_from_node(self, change: Change, on_commit: Callable[[], None] | None) -> None:
        """Write what a node logs, and the outcomes of its items, while it runs."""
        if not self._state.is_over:
            self._journal.submit(change, on_commit)
            self._journal.flush()  # from a thread without turns

    def _write_progress(self, active: ActiveNodeRun, done: int, failed: int) -> None:
        if not self._state.is_over and (change := self._nodes.progress(active, done, failed)) is not None:
            self._journal.submit(change)

    def _acknowledge_wakeup(self) -> None:
        """Clear the mark that something was resolved, before the waits are read: a later resolution sets it again."""
        state = self._state
        if not self._nodes.waiting or state.is_over:
            state.woken = False
        elif state.may_begin_nodes:  # else the waits are read when the execution continues
            change = Change(self.lease, execution_fields={"resume_at": None})
            self._journal.submit(change, lambda: self.tell(self._on_wakeup_acknowledged))

    def _on_wakeup_acknowledged(self) -> None:
        self._state.woken = False
        if not self._state.is_over and self._state.may_begin_nodes:
            self._apply_wakeups(resolved=True)
            self.advance()

    def _apply_wakeups(self, *, resolved: bool = False) -> None:
        """Resume the node runs whose time has come or, with `resolved`, whose wait may have been resolved."""
        for active in self._nodes.take_woken(resolved=resolved):
            self._go_on(active)

    # --- the result cache ------------------------------------------------------------------------------------------

    def _look_up_cache(self) -> None:
        self.tell(partial(self._on_cache_answer, self._cache.look_up()))

    def _on_cache_answer(self, cached: CachedResult | None) -> None:
        self._state.awaiting_cache = False
        if self._state.is_over:
            self._run_in_thread(self._cache.release)
        elif cached is None:
            self._resume()
        else:
            data = {"cached_from": str(cached.execution_id)}
            self._end(ExecutionStatus.COMPLETED, data, self._nodes.serve_cached(cached))

    # --- the end ---------------------------------------------------------------------------------------------------

    def _end(self, status: ExecutionStatus, data: dict[str, Any], change: Change | None = None) -> None:
        """Write the end of the execution, and of every node run that has not ended, in one change."""
        nodes = self._nodes
        follow_up = self._has_follow_up(status)
        change = nodes.cancel_unended(change or Change(self.lease))
        rows = list(nodes.rows.values())
        change += lifecycle.end(self._execution, self.lease, status, rows, data, follow_up=follow_up)
        self._release(change, after_commit.follow_up if follow_up else after_commit.admit)

    def _has_follow_up(self, status: ExecutionStatus) -> bool:
        """Return whether a parent, a child, a wait or an error workflow has to be notified of the end."""
        if self._execution.parent_run_id is not None:
            return True
        return status is not ExecutionStatus.COMPLETED and (
            bool(self._definition.settings.get("error_workflow"))
            or any(active.has_wait for active in self._nodes.waiting.values())
            or any(row.node_type == "execute_workflow" for row in self._nodes.rows.values())
        )

    def _release(self, change: Change, then: Callable[[], None] = after_commit.admit) -> None:
        """Submit the last change under this lease. Close when it is committed, and call `then`."""
        self._state.released = True
        self._journal.submit(change, partial(self._on_released, then))

    def _on_released(self, then: Callable[[], None]) -> None:
        self._cache.confirm()
        then()
        if self._execution.awaited:
            self._notify_waiters()
        self.tell(self._close)

    def _abandon(self) -> None:
        """Close, unless the last change is submitted: then close after its commit."""
        if not self._state.released:
            self._close()

    def _on_error(self, error: Exception) -> None:
        """A message has raised an unexpected error: abandon the execution; it is recovered, up to MAX_RECOVERIES."""
        logger.error(
            "the execution stopped with an unexpected error; it is recovered from its last checkpoint",
            exc_info=error,
            extra=self._state.log_fields,
        )
        self.error = error
        self._close()

    def _close(self) -> None:
        """Stop all attempts of the execution in this process."""
        if self._closed:
            return
        self._closed = self._state.released = True
        self.next_due = None
        self._nodes.abandon()
        self._cache.cancelled.set()
        if self._cache.enabled:
            self._run_in_thread(self._cache.release)
        heartbeats().release(self.lease)
        self._journal.close()
        self._driver.remove(self)
        self._on_closed(self)

    def _notify_waiters(self) -> None:
        """Send the response or end to the web process that waits for it: one message if both are in one commit."""
        if self._notified_status != self._execution.status:
            self._notified_status = self._execution.status
            responses.notify(self._execution.pk, self._nodes.outputs.state(self._execution, held=self._nodes.is_held))

    def _run_in_thread(self, call: Callable[[], object]) -> None:
        if self._after_begin is not None:
            self._after_begin.append(call)
            return
        self._driver.nodes.submit(partial(self._call, call), self._workspace, self._execution.pk)

    def _call(self, call: Callable[[], object]) -> None:
        with execution_logging(self._execution):  # threads start without the context of the caller
            call()
