"""Starts and ends the node runs of an execution: attempts, outputs, waits, errors, timeouts and retries."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.utils import timezone

from executions import lifecycle
from executions.credentials import HostBinding
from executions.domain.attributes import check_count
from executions.domain.errors import NodeError
from executions.domain.graph import ERROR_OUTPUT, Node, OnError
from executions.domain.items import Items
from executions.domain.statuses import NodeRunStatus
from executions.domain.tracing import Traces
from executions.engine.checkpoints import Checkpoints
from executions.engine.definition import Definition
from executions.engine.earlier_attempts import attempts_with
from executions.engine.flow import Ready, RestoredRun, RunKey
from executions.engine.holding import hold_seconds, new_hold
from executions.engine.node_attempt import (
    ActiveNodeRun,
    NodeAttempt,
    NodeOutcome,
    error_data,
    pass_through,
    recorded_parameters,
)
from executions.engine.outcome_keeping import OnProgress, OutcomeKeeping, Write
from executions.engine.outputs import check_total_bytes, pack_outputs
from executions.engine.pairings import PastRuns
from executions.engine.planner import Planner
from executions.engine.rerun_choices import RerunChoices
from executions.engine.result_cache import CachedResult
from executions.engine.state import ExecutionState
from executions.engine.wakeups import (
    Pause,
    attempt_key,
    continue_after_wait,
    is_due,
    new_wait,
    pause_of,
    settle,
    take_edits,
    take_woken,
)
from executions.lifecycle import Change
from executions.models import NodeRun, Wait
from executions.nodes.base import NodeResult, WaitFor
from executions.nodes.item_outcomes import ItemError, ItemOutcomes

logger = logging.getLogger(__name__)

HOLD_RETRY_SECONDS = 2.0
"""A retry that is due sooner is awaited in this process, with the lease held."""
LOST_WHILE_RUNNING = "The worker was lost while the node ran. Nodes of this type are not repeated."


class NodeRunner:
    """Runs the nodes of one execution.

    It returns changes for the actor to submit, and starts attempts only on request. All methods are called in the
    actor's turns; the callbacks are called from the threads of nodes.
    """

    def __init__(
        self,
        state: ExecutionState,
        definition: Definition,
        restored: Sequence[NodeRun],
        run_in_thread: Callable[[Callable[[], object]], None],
        on_attempt_ended: Callable[[ActiveNodeRun, NodeOutcome], None],
        write: Write,
        on_progress: OnProgress,
    ) -> None:
        """`run_in_thread` makes a call in a thread that may block."""
        self._state, self._execution, self._lease = state, state.execution, state.lease
        self._definition, self._graph = definition, definition.graph
        self._restored = restored
        self._run_in_thread, self._on_attempt_ended = run_in_thread, on_attempt_ended
        self._write = write
        self._outcomes = OutcomeKeeping(state, definition, write, on_progress)
        self._planner = Planner(self._graph, definition.is_join)
        self._traces = Traces(self._planner.ancestry)
        self._checkpoints = Checkpoints(state, definition, self._planner)
        self.outputs = self._checkpoints.outputs
        self.ancestry = self._planner.ancestry
        self._choices = RerunChoices(self._execution)
        self._hold_seconds = hold_seconds(self._execution, definition.settings)
        self._sent: dict[str, HostBinding] = {}
        """Where each node has sent credentials by its own definition, as far as it is known under this lease."""
        self.rows: dict[RunKey, NodeRun] = {}
        self.active: dict[RunKey, ActiveNodeRun] = {}
        self.waiting: dict[RunKey, ActiveNodeRun] = {}
        self.to_begin: deque[Ready] = deque()
        """Node runs that can begin: of many that become ready at once each turn begins some."""
        self.ended_attempts: deque[tuple[ActiveNodeRun, NodeOutcome]] = deque()
        """Attempts that have ended, for the actor to pass to `finish`."""
        self.fatal_error: dict[str, Any] | None = None
        """The error of a node that ends the execution when it fails."""

    # --- beginning -------------------------------------------------------------------------------------------------

    @property
    def has_ended(self) -> bool:
        """Return whether all nodes have ended, and none can begin any more."""
        return self._planner.ended

    def restore(self) -> list[ActiveNodeRun]:
        """Continue from the stored node runs. Returns those to start again; the others wait, or have failed."""
        rows = self._restored
        self.rows = {(row.node_id, row.run_index): row for row in rows}
        restored = [
            RestoredRun((row.node_id, row.run_index), row.inputs, row.output, row.keep_open, row.lineage)
            for row in rows
            if row.status != NodeRunStatus.SKIPPED or row.output is not None
        ]
        self._checkpoints.restore(rows, restored)
        skipped = [row.node_id for row in rows if row.status == NodeRunStatus.SKIPPED and row.output is None]
        trigger = (self._execution.trigger_node, self._execution.input)
        begun = self._planner.restore(restored, trigger, skipped, self._execution.replaced_input)
        active = [self._active(ready, self.rows[ready.node_id, ready.run_index]) for ready in begun]
        if not active:
            return []
        for each in active:
            each.cost.restore(each.row)
        now = timezone.now()
        expired = {attempt_key(a.row) for a in active if a.row.status == NodeRunStatus.WAITING and is_due(a.row, now)}
        waits = settle(self._execution, expired)
        for each in active:
            take_edits(each, waits)
            self._apply_edits(each)
        self._outcomes.restore(active)
        return [each for each in active if self._restarts(each, waits.get(attempt_key(each.row)), now)]

    def _restarts(self, active: ActiveNodeRun, wait: Wait | None, now: datetime) -> bool:
        """Return whether a restored node run starts again now; if not, it waits on or has failed."""
        row, key = active.row, (active.row.node_id, active.row.run_index)
        active.has_wait = wait is not None
        is_waiting = row.status == NodeRunStatus.WAITING
        is_repeatable = self._definition.types[row.node_id].retry_on_crash
        # A running one may have continued after its wait when its worker was lost: it does not wait a second time.
        pause = pause_of(row, wait)
        active.hold = wait if pause is Pause.HOLD else None
        is_over = (
            wait.resolved_at is not None if wait else is_due(row, now) and (is_waiting or pause is not Pause.RETRY)
        )
        if is_over and (is_waiting or is_repeatable):
            continue_after_wait(active, wait)
            return True
        if is_waiting:
            self.waiting[key] = active
        elif not is_repeatable:
            self.active[key] = active
            self.ended_attempts.append((active, NodeOutcome(None, NodeError(LOST_WHILE_RUNNING), 0)))
        else:
            return True
        return False

    def skip_unreachable(self) -> Iterator[Change]:
        """Skip the nodes that no items can reach any more."""
        for node_id in self._planner.take_skipped():
            row = self._new_row(self._graph.nodes[node_id], 0)
            self._checkpoints.done_nodes.add(node_id)
            yield lifecycle.skip_node(self._execution, self._lease, row, "No item can reach this node.")

    def collect_ready(self) -> None:
        """Move the node runs that have become ready to `to_begin`."""
        self.to_begin.extend(self._planner.take_ready())

    def begin(self, ready: Ready) -> ActiveNodeRun:
        """Return a new node run, to be started."""
        row = self._new_row(self._graph.nodes[ready.node_id], ready.run_index)
        row.inputs = {name: refs for name, refs in ready.references.items() if refs[0]["run_index"] >= 0}
        return self._active(ready, row)

    def _active(self, ready: Ready, row: NodeRun) -> ActiveNodeRun:
        node = self._graph.nodes[row.node_id]
        return ActiveNodeRun(ready, row, outcomes=ItemOutcomes(node.on_error, node.retry))

    def skip_chosen(self, ready: Ready) -> Change | None:
        """End a node run that the rerun skips: its items pass the node by. None: it does not skip it."""
        if self._choices.of(ready.node_id) != "skip":
            return None
        active, node = self.begin(ready), self._graph.nodes[ready.node_id]
        result = pass_through(node, self._definition.types[node.id], ready.inputs)
        result.outputs, sizes = pack_outputs(result.outputs)
        return self._checkpoints.skip(active, result, sizes, self._busy_nodes())

    def start(self, active: ActiveNodeRun) -> Change:
        """Start an attempt of the node run; `attempt` makes it."""
        row = active.row
        change = self._retry_held(active) if active.answer is not None else None
        self.active[row.node_id, row.run_index] = active
        self._checkpoints.done_nodes.discard(row.node_id)
        count = sum(len(items) for items in active.ready.inputs.values())
        started = lifecycle.start_node(self._execution, self._lease, row, count)
        if change is None:
            return started
        change += started
        return change

    def needs_commit(self, active: ActiveNodeRun) -> bool:
        """Return whether the attempt has effects outside, which require committed checkpoints."""
        node = active.node(self._graph)
        node_type = self._definition.types[node.id]
        return node_type.blocking and not node_type.pure and not node.disabled and self._choices.of(node.id) == "run"

    def attempt(self, active: ActiveNodeRun) -> None:
        """Make the attempt: here if it is quick, else in a thread that may block."""
        if self._choices.of(active.row.node_id) == "reuse":
            self._run_in_thread(
                partial(self._in_thread, active, partial(self._choices.saved, active.row, active.ready.inputs))
            )
            return
        log = partial(self._log, active)
        past = PastRuns(self._traces, self.rows, dict(self.outputs.latest))
        keeper, sent = self._outcomes.keeper(active), self._sent.setdefault(active.row.node_id, HostBinding())
        attempt = NodeAttempt(active, self._definition, self._execution, past, log, keeper, sent)
        if (outcome := attempt.run_inline()) is not None:
            self.ended_attempts.append((active, outcome))
        else:
            self._run_in_thread(partial(self._in_thread, active, attempt.run_in_thread))

    def _in_thread(self, active: ActiveNodeRun, attempt: Callable[[], NodeOutcome]) -> None:
        try:
            outcome = attempt()
        finally:
            connection.close()
        self._on_attempt_ended(active, outcome)

    def _log(self, active: ActiveNodeRun, level: str, message: str) -> None:
        data = {
            "level": level,
            "message": message[:5000],
            "node": active.row.node_id,
            "run_index": active.row.run_index,
        }
        self._write(Change(self._lease, [lifecycle.event(self._execution, "log", data)]), None)

    def progress(self, active: ActiveNodeRun, done: int, failed: int) -> Change | None:
        """Report how many items of a node run are done. None: its attempt has ended meanwhile."""
        row = active.row
        if self.active.get((row.node_id, row.run_index)) is not active:
            return None
        return self._checkpoints.items_done(active, done, failed, self._busy_nodes())

    # --- time ------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Make the retries that are due, and time out the attempts that take too long."""
        now = time.monotonic()
        for active in list(self.active.values()):
            if active.retry_at is not None and active.retry_at <= now:
                active.retry_at, active.started = None, now
                self.attempt(active)
            elif (seconds := self._timeout_of(active)) and now - active.started > seconds:
                self._time_out(active, seconds)

    def due_at(self) -> Iterator[float]:
        """Yield when `tick` has something to do, on the monotonic clock."""
        for active in self.active.values():
            if active.retry_at is not None:
                yield active.retry_at
            elif (seconds := self._timeout_of(active)) is not None:
                yield active.started + seconds

    def wake_times(self) -> list[datetime]:
        """Return the times that waiting node runs wait for."""
        return [active.row.wake_at for active in self.waiting.values() if active.row.wake_at]

    def take_woken(self, *, resolved: bool) -> list[ActiveNodeRun]:
        """Return the waiting node runs to start again: their time has come or, with `resolved`, their wait is over."""
        return take_woken(self._execution, self.waiting, resolved=resolved)

    def _timeout_of(self, active: ActiveNodeRun) -> float | None:
        return active.node(self._graph).timeout

    def _time_out(self, active: ActiveNodeRun, seconds: float) -> None:
        if not active.cancelled.is_set():
            active.cancelled.set()
            error = NodeError(f"The node took longer than its timeout of {seconds:g} s.", retryable=True)
            used = recorded_parameters(active.node(self._graph), active.used, failed=True)
            elapsed_ms = (time.monotonic() - active.started) * 1000
            self.ended_attempts.append((active, NodeOutcome(None, error, elapsed_ms, parameters=used)))

    # --- ending ----------------------------------------------------------------------------------------------------

    def finish(self, active: ActiveNodeRun, outcome: NodeOutcome) -> Change | None:
        """End an attempt: with a checkpoint, a wait, a retry or a failure. None: the attempt was abandoned."""
        row, result = active.row, outcome.result
        key = (row.node_id, row.run_index)
        if self.active.get(key) is not active:
            return None
        del self.active[key]
        active.took_ms = outcome.duration_ms
        active.cost.add(row, outcome.spending, active.started, outcome.duration_ms, outcome.cpu_ms)
        if (exchange := active.exchanges.data()) is not None:
            row.exchange, row.request_digest = exchange, active.exchanges.request_digest()
        if outcome.parameters is not None:
            row.parameters = outcome.parameters
        if result is None:
            assert outcome.error is not None
            return self._fail(active, outcome.error)
        if result.wait_for is not None:
            return self._wait(active, result.wait_for)
        try:
            check_total_bytes(self.outputs.total_bytes, sum(outcome.sizes.values()))
            check_count(self._execution.attributes | dict(result.attributes), "attributes")
        except NodeError as error:
            active.outcomes.forget()
            return self._fail(active, error)
        return self._end_attempt(active, result, outcome.sizes)

    def _wait(self, active: ActiveNodeRun, wait_for: WaitFor) -> Change:
        row = active.row
        row.error = None  # an error would mean that it waits for its next attempt
        wait = new_wait(wait_for, row)
        active.has_wait = wait is not None
        active.cost.pause(row)
        self.waiting[row.node_id, row.run_index] = active
        return lifecycle.wait_node(self._execution, self._lease, row, wait_for.reason, wait_for.until, wait)

    def _fail(self, active: ActiveNodeRun, error: Exception) -> Change:
        row, node = active.row, active.node(self._graph)
        data = error_data(error, node)
        if not isinstance(error, NodeError):
            self._log_unexpected(row, error)
        if node.retry.follows(self._tries(active), retryable=data["retryable"]):
            return self._retry(active, node, data, getattr(error, "retry_after", None))
        if node.on_error == "stop":
            if self._hold_seconds is not None:
                return self._hold(active, data, self._hold_seconds)
            return self._fail_execution(active, data)
        first = self.ancestry.runs[row.node_id, row.run_index].first
        return self._end_attempt(active, *self._outcomes.with_errors(active, ItemError.of(error), first))

    def _fail_execution(self, active: ActiveNodeRun, error: dict[str, Any]) -> Change:
        """End a node run whose error ends the execution."""
        self.fatal_error = lifecycle.without_response(error)
        change = lifecycle.fail_node(self._execution, self._lease, active.row, error, "stop")
        change.outcomes_taken_over += active.taken_over
        return change

    @staticmethod
    def _tries(active: ActiveNodeRun) -> int:
        """Return the number of the attempt as the retry policy counts: from 1 again after an answer to a hold."""
        return active.row.attempt - active.edits.first_attempt + 1

    def _end_attempt(
        self, active: ActiveNodeRun, result: NodeResult, sizes: dict[str, int], on_error: OnError | None = None
    ) -> Change:
        """End a node run with its result, of which all items may have failed."""
        if result.all_failed:
            on_error = on_error or active.node(self._graph).on_error
            return self._checkpoints.fail_and_continue(active, result, sizes, on_error, self._busy_nodes())
        return self._checkpoints.complete(active, result, sizes, self._busy_nodes())

    def _log_unexpected(self, row: NodeRun, error: Exception) -> None:
        logger.error(
            "node %s (%s) raised an unexpected error; attempt %d fails",
            row.node_id,
            row.node_type,
            row.attempt,
            exc_info=error,
            extra=self._state.log_fields | {"node": row.node_id},
        )

    def _retry(self, active: ActiveNodeRun, node: Node, error: dict[str, Any], retry_after: float | None) -> Change:
        delay_ms = node.retry.delay_before(self._tries(active) + 1, random.random(), retry_after)  # noqa: S311
        row = active.row
        row.attempts = attempts_with(row, error, active.took_ms, delay_ms)
        active.cost.pause(row)
        change = lifecycle.retry_node(self._execution, self._lease, row, error, delay_ms)
        row.wake_at = None
        again = active.again()
        key = (row.node_id, row.run_index)
        if delay_ms > HOLD_RETRY_SECONDS * 1000:
            row.error = error
            until = timezone.now() + timedelta(milliseconds=delay_ms)
            change += lifecycle.wait_node(self._execution, self._lease, row, "Waiting for the next attempt.", until)
            self.waiting[key] = again
        else:
            again.retry_at = time.monotonic() + delay_ms / 1000
            self.active[key] = again
        return change

    # --- holds -----------------------------------------------------------------------------------------------------

    @property
    def is_held(self) -> bool:
        """Return whether a node run waits for a person who looks at it."""
        return any(active.hold is not None for active in self.waiting.values())

    def _hold(self, active: ActiveNodeRun, error: dict[str, Any], seconds: int) -> Change:
        """Hold a node run that has failed for good: it keeps its error and waits for a person."""
        row = active.row
        row.error = error
        known = self._sent.get(row.node_id) or HostBinding()
        hold = new_hold(row, seconds, error, active.took_ms, active.edits.hosts(known))
        active.cost.pause(row)
        again = self.waiting[row.node_id, row.run_index] = active.again()
        again.hold, again.has_wait = hold, True
        return lifecycle.hold_node(self._execution, self._lease, row, hold)

    def end_held(self, active: ActiveNodeRun) -> Change | None:
        """End a node run that was held, as the answer says. None: it was not held, or is to be tried again."""
        hold, answer = active.hold, active.answer
        if hold is None or answer is None or answer["action"] == "retry":
            return None
        error = active.row.error or {}
        active.cost.end(active.row)
        change = Change(self._lease)
        if hold.outcome is None:  # nobody answered: what the answer would have said is said here
            change += lifecycle.release_node(self._execution, self._lease, hold)
        if answer["action"] == "skip":
            change += self._skip_held(active, answer.get("output"))
        elif answer["action"] == "route":
            first = self.ancestry.runs[active.row.node_id, active.row.run_index].first
            routed = self._outcomes.with_errors(
                active, ItemError.from_data(error), first, answer.get("to") or ERROR_OUTPUT
            )
            change += self._end_attempt(active, *routed, "route")
        else:
            change += self._fail_execution(active, error)
        return change

    def _skip_held(self, active: ActiveNodeRun, output: dict[str, Items] | None) -> Change:
        """Complete a node run with the output of the answer; without one its items pass it by."""
        row, node = active.row, active.node(self._graph)
        if output is None:
            result = pass_through(node, self._definition.types[node.id], active.ready.inputs)
            if active.edits.input is not None:
                result.lineage = {}
        else:
            result = NodeResult(output)
            row.edited = {"what": [*(row.edited or {}).get("what", []), "output"], "attempt": row.attempt}
        result.outputs, sizes = pack_outputs(result.outputs)
        return self._checkpoints.complete(active, result, sizes, self._busy_nodes())

    def _retry_held(self, active: ActiveNodeRun) -> Change:
        """Begin the next attempt of a node run that was held, with what was edited."""
        assert active.hold is not None
        row, hold = active.row, active.hold
        error: dict[str, Any] = row.error or {}
        row.attempts = attempts_with(row, error, (hold.details or {}).get("took_ms", 0.0), 0.0)
        change = lifecycle.retry_node(self._execution, self._lease, row, error, 0.0)
        active.edits = active.edits.after(hold)
        active.hold = active.answer = None
        active.has_wait, active.resumed, active.outcome, row.wake_at = False, False, None, None
        active.started = time.monotonic()
        if "input" in ((hold.outcome or {}).get("what") or ()):  # what came of the items was of other items
            change.outcomes_taken_over.append(row.pk)
            active.outcomes = ItemOutcomes()
        self._apply_edits(active)
        return change

    def _apply_edits(self, active: ActiveNodeRun) -> None:
        """Let a node run go on with what was edited: its input, its definition, the count of its attempts."""
        edits, row = active.edits, active.row
        if edits.first_attempt == 1:
            return
        node = active.node(self._graph)
        allowed = node.retry.attempts + edits.first_attempt - 1
        active.outcomes.follow(node.on_error, node.retry.model_copy(update={"attempts": allowed}))
        row.edited = edits.mark or row.edited
        if edits.input is not None:
            active.ready = edits.ready(active.ready)
            self.ancestry.replaced((row.node_id, row.run_index), active.ready.sources)

    def serve_cached(self, cached: CachedResult) -> Change:
        """Record a cached result of the whole execution: only the node that gave it has a run."""
        node = self._graph.nodes.get(cached.node or "")
        return self._checkpoints.serve_cached(cached, self._new_row(node, 0) if node else None)

    def cancel_unended(self, change: Change) -> Change:
        """Add to `change` the end of every node run that has not ended."""
        for active in (*self.active.values(), *self.waiting.values()):
            active.cancelled.set()
            change += lifecycle.cancel_node(self._lease, active.row)
            change.outcomes_taken_over += active.taken_over
        return change

    def _busy_nodes(self) -> set[str]:
        return {key[0] for key in (*self.active, *self.waiting)}

    def abandon(self) -> None:
        """Cancel running attempts: their outcome is not used."""
        for active in self.active.values():
            active.cancelled.set()

    def _new_row(self, node: Node, run_index: int) -> NodeRun:
        row = NodeRun(
            execution=self._execution, node_id=node.id, name=node.label, node_type=node.type, run_index=run_index
        )
        self.rows[node.id, run_index] = row
        return row
