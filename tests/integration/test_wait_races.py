"""What is waited for comes once, whatever it crosses: a release, an expiry, a cancellation, a pause, a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from executions import lifecycle
from executions.admission import admission
from executions.domain.errors import NodeError
from executions.domain.statuses import ExecutionStatus
from executions.engine import child_executions
from executions.engine.actor import ExecutionActor
from executions.engine.definition import definition
from executions.engine.driver import driver
from executions.engine.wakeups import new_wait
from executions.lifecycle import ClaimedExecution
from executions.models import Execution, ItemChild, NodeRun, Wait, WaitKind, Workflow
from executions.nodes.base import WaitFor
from executions.nodes.children import ItemCall, OnFailure
from executions.waits import child_ends, completion, waits
from executions.waits.item_children import ChildrenOfItems
from tests.engine import COMMITS, claim_leases, commit, make_execution, make_workflow
from tests.executing import at_once
from tests.workflows import edge, node

pytestmark = COMMITS
PAUSED, RUNNING, WAITING = ExecutionStatus.PAUSED, ExecutionStatus.RUNNING, ExecutionStatus.WAITING


def claim(execution: Execution) -> ClaimedExecution:
    admission.admit()
    (claimed,) = claim_leases([execution.pk], "a worker")
    return claimed


def begun(claimed: ClaimedExecution, *, expires_in: float | None = None) -> tuple[NodeRun, Wait]:
    """Have the node `pause` of a claimed execution wait for a call."""
    execution, lease = claimed.execution, claimed.lease
    run = NodeRun(execution=execution, node_id="start", name="Start", node_type="manual_trigger", output={"main": [{}]})
    change = lifecycle.start_node(execution, lease, run, 0)
    run.duration_ms, run.output_bytes = 0.0, 4
    change += lifecycle.complete_node(execution, lease, run, None)
    pause = NodeRun(execution=execution, node_id="pause", name="Pause", node_type="wait")
    pause.inputs = {"main": [{"node": "start", "run_index": 0, "output": "main"}]}
    change += lifecycle.start_node(execution, lease, pause, 1)
    until = None if expires_in is None else timezone.now() + timedelta(seconds=expires_in)
    wait = new_wait(WaitFor("Waits.", until, WaitKind.WEBHOOK), pause)
    change += lifecycle.wait_node(execution, lease, pause, "Waits.", until, wait)
    commit(change)
    assert wait is not None
    return pause, wait


def waiting_for_a_call(**parameters: Any) -> Execution:
    nodes = [node("start", "manual_trigger"), node("pause", "wait", webhook=True, **parameters), node("after", "no_op")]
    return make_execution(nodes, [edge("start", "pause"), edge("pause", "after")])


def go_on(execution: Execution) -> Execution:
    """Claim the execution and run it here until it lets go."""
    claimed, over = claim(execution), threading.Event()
    ExecutionActor(driver(), claimed, definition(claimed.execution.version_id), lambda actor: over.set()).start()
    assert over.wait(30)
    execution.refresh_from_db()
    return execution


def due(execution: Execution) -> bool:
    execution.refresh_from_db()
    return execution.resume_at is not None and execution.resume_at <= timezone.now()


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Call at the same instant. Returns what each gave: None for NotWaiting."""

    def call(index: int) -> Any:
        try:
            return calls[index]()
        except waits.NotWaiting:
            return None
        finally:
            connection.close()

    return at_once(len(calls), call)


def output_of(execution: Execution, node_id: str = "pause") -> Any:
    return NodeRun.objects.get(execution=execution, node_id=node_id).output


def test_a_call_that_crosses_the_release_of_the_lease_wakes_it() -> None:
    execution = waiting_for_a_call()
    claimed = claim(execution)
    _, wait = begun(claimed)
    waits.resolve(wait.pk, {"n": 1})
    commit(lifecycle.release_waiting(claimed.execution, claimed.lease, None, 0))
    assert due(execution)
    admission.admit()
    assert go_on(execution).status == ExecutionStatus.COMPLETED
    assert output_of(execution) == {"main": [{"n": 1}]}


def test_a_call_that_crosses_a_pause_is_kept_and_the_pause_holds() -> None:
    execution = waiting_for_a_call()
    claimed = claim(execution)
    _, wait = begun(claimed)
    lifecycle.request_pause(execution)
    waits.resolve(wait.pk, {"n": 1})
    commit(lifecycle.release_paused(claimed.execution, claimed.lease, {"reason": "Lunch.", "by": None}, 0))
    execution.refresh_from_db()
    assert (execution.status, execution.resume_at) == (PAUSED, None)
    lifecycle.request_resume(execution)
    assert go_on(execution).status == ExecutionStatus.COMPLETED


def test_a_resume_that_crosses_the_pause_it_takes_back_lets_it_go_on() -> None:
    execution = waiting_for_a_call()
    claimed = claim(execution)
    begun(claimed)
    lifecycle.request_pause(execution)
    lifecycle.request_resume(execution, reason="Never mind.")
    commit(lifecycle.release_paused(claimed.execution, claimed.lease, {"reason": "Lunch.", "by": None}, 0))
    assert due(execution)
    assert execution.status == PAUSED
    assert go_on(execution).status == WAITING


def test_a_call_and_the_expiry_at_the_same_instant_are_one_or_the_other() -> None:
    seen = set()
    for _ in range(12):
        execution = waiting_for_a_call(timeout_seconds=30, on_timeout="continue")
        pause, wait = begun(claim(execution), expires_in=30)
        key = (pause.node_id, 0, 1)
        taken, settled = together(
            lambda wait=wait: waits.resolve(wait.pk, {"n": 1}),  # type: ignore[misc]
            lambda execution=execution, key=key: waits.settle(execution, {key})[key],  # type: ignore[misc]
        )
        assert settled.resolved_at is not None
        assert (taken is not None) == (settled.outcome is not None)
        seen.add(taken is not None)
    assert seen <= {True, False}


def test_a_call_just_before_its_time_runs_out_counts_even_if_the_worker_learns_of_it_late() -> None:
    execution = waiting_for_a_call(timeout_seconds=30)
    claimed = claim(execution)
    pause, wait = begun(claimed, expires_in=30)
    waits.resolve(wait.pk, {"n": 1})
    commit(lifecycle.release_waiting(claimed.execution, claimed.lease, wait.expires_at, 0))
    NodeRun.objects.filter(pk=pause.pk).update(wake_at=timezone.now())
    assert go_on(execution).status == ExecutionStatus.COMPLETED
    assert output_of(execution) == {"main": [{"n": 1}]}


def test_twenty_calls_at_the_same_instant_resolve_it_once() -> None:
    execution = waiting_for_a_call()
    claimed = claim(execution)
    _, wait = begun(claimed)
    commit(lifecycle.release_waiting(claimed.execution, claimed.lease, None, 0))
    taken = together(*[lambda n=n: waits.resolve(wait.pk, {"n": n}) for n in range(20)])  # type: ignore[misc]
    (first,) = (index for index, found in enumerate(taken) if found is not None)
    assert go_on(execution).status == ExecutionStatus.COMPLETED
    assert output_of(execution) == {"main": [{"n": first}]}


def test_a_call_and_a_cancellation_at_the_same_instant_leave_it_cancelled() -> None:
    for _ in range(6):
        execution = waiting_for_a_call()
        claimed = claim(execution)
        _, wait = begun(claimed)
        commit(lifecycle.release_waiting(claimed.execution, claimed.lease, None, 0))
        together(
            lambda wait=wait: waits.resolve(wait.pk, {"n": 1}),  # type: ignore[misc]
            lambda execution=execution: lifecycle.request_cancel(execution),  # type: ignore[misc]
        )
        execution.refresh_from_db()
        assert execution.status == ExecutionStatus.CANCELLED
        assert claim_leases([execution.pk], "another") == []


def test_a_worker_lost_after_it_has_taken_a_call_up_does_not_make_it_wait_again() -> None:
    execution = waiting_for_a_call()
    claimed = claim(execution)
    pause, wait = begun(claimed)
    waits.resolve(wait.pk, {"n": 1})
    commit(lifecycle.start_node(claimed.execution, claimed.lease, pause, 1))  # it went on, and died
    Execution.objects.filter(pk=execution.pk).update(lease_expires_at=timezone.now())
    assert go_on(execution).status == ExecutionStatus.COMPLETED
    assert output_of(execution) == {"main": [{"n": 1}]}


def test_a_worker_lost_after_a_time_has_passed_does_not_make_it_wait_again() -> None:
    nodes = [node("start", "manual_trigger"), node("pause", "wait", seconds=3600)]
    execution = make_execution(nodes, [edge("start", "pause")])
    assert go_on(execution).status == WAITING
    passed = timezone.now() - timedelta(seconds=1)
    NodeRun.objects.filter(execution=execution, node_id="pause").update(wake_at=passed, status="running")
    Execution.objects.filter(pk=execution.pk).update(status="running", lease_expires_at=passed)
    assert go_on(execution).status == ExecutionStatus.COMPLETED


def test_the_news_of_what_came_is_taken_down_once_it_is_taken_up() -> None:
    execution = waiting_for_a_call()
    claimed = claim(execution)
    Execution.objects.filter(pk=execution.pk).update(resume_at=timezone.now())
    commit(lifecycle.Change(claimed.lease, execution_fields={"resume_at": None}))
    execution.refresh_from_db()
    assert execution.resume_at is None


# --- children --------------------------------------------------------------------------------------------------------


def calling() -> tuple[ClaimedExecution, NodeRun, str]:
    child = make_workflow([node("start", "manual_trigger")], [])
    nodes = [node("start", "manual_trigger"), node("call", "execute_workflow", workflow=str(child.pk))]
    claimed = claim(make_execution(nodes, [edge("start", "call")]))
    run = NodeRun(execution=claimed.execution, node_id="call", name="Call", node_type="execute_workflow")
    commit(lifecycle.start_node(claimed.execution, claimed.lease, run, 1))
    return claimed, run, str(child.pk)


def test_an_attempt_that_is_made_again_and_again_has_one_child() -> None:
    _, run, workflow = calling()
    children = together(*[lambda: child_executions.start_child(run, workflow, [{}], True) for _ in range(8)])
    assert len({child.pk for child in children}) == 1
    assert Execution.objects.filter(parent_run=run.pk).count() == 1
    run.attempt = 2
    assert child_executions.start_child(run, workflow, [{}], True).pk != children[0].pk


def test_a_worker_that_has_lost_the_parent_starts_no_child() -> None:
    claimed, run, workflow = calling()
    Execution.objects.filter(pk=claimed.execution.pk).update(fencing_token=7)
    with pytest.raises(NodeError, match="another worker holds it"):
        child_executions.start_child(run, workflow, [{}], True)
    assert not Execution.objects.filter(parent_run=run.pk).exists()


def test_after_the_end_of_the_parent_no_child_is_started() -> None:
    claimed, run, workflow = calling()
    Execution.objects.filter(pk=claimed.execution.pk).update(lease_expires_at=timezone.now())
    lifecycle.request_cancel(claimed.execution)
    claim_leases([claimed.execution.pk], "another")
    with pytest.raises(NodeError, match="has ended"):
        child_executions.start_child(run, workflow, [{}], True)


def test_a_child_whose_end_is_told_many_times_at_once_wakes_its_parent_once() -> None:
    claimed, run, workflow = calling()
    child = child_executions.start_child(run, workflow, [{"n": 1}], True)
    wanted = WaitFor("Waits.", kind=WaitKind.EXECUTION, child=child)
    change = lifecycle.wait_node(claimed.execution, claimed.lease, run, "Waits.", None, new_wait(wanted, run))
    change += lifecycle.release_waiting(claimed.execution, claimed.lease, None, 0)
    commit(change)
    assert Wait.objects.filter(execution=claimed.execution).count() == 1
    assert go_on(child).status == ExecutionStatus.COMPLETED
    Execution.objects.filter(pk=child.pk).update(follow_up_due=True)
    together(*[completion.follow_up_all for _ in range(8)])
    wait = Wait.objects.get(execution=claimed.execution)
    assert wait.outcome is not None
    assert (wait.outcome["status"], wait.outcome["items"]) == ("completed", [{"n": 1}])
    assert due(claimed.execution)


def test_a_parent_and_a_child_that_end_at_the_same_instant_are_both_followed_up() -> None:
    for _ in range(5):
        claimed, run, workflow = calling()
        child = child_executions.start_child(run, workflow, [{}], True)
        commit(lifecycle.release_waiting(claimed.execution, claimed.lease, None, 0))
        together(
            lambda parent=claimed.execution: lifecycle.request_cancel(parent),  # type: ignore[misc]
            lambda child=child: lifecycle.request_cancel(child),  # type: ignore[misc]
        )
        together(*[completion.follow_up_all for _ in range(4)])
        assert not Execution.objects.filter(follow_up_due=True).exists()
        assert not Wait.objects.filter(execution=claimed.execution, resolved_at__isnull=True).exists()


# --- children of items -----------------------------------------------------------------------------------------------


def start_for_items(run: NodeRun, workflow: str, count: int, at_once: int, on_failure: OnFailure) -> bool:
    called = Workflow.objects.select_related("latest_version").get(pk=workflow)
    calls = [ItemCall(index, called, {"n": index}) for index in range(count)]
    return ChildrenOfItems(run).start(calls, at_once, on_failure)


def test_an_attempt_that_is_made_again_and_again_has_one_child_of_each_item() -> None:
    claimed, run, workflow = calling()
    over = together(*[lambda: start_for_items(run, workflow, 7, 3, "continue") for _ in range(6)])
    assert over == [False] * 6
    assert Execution.objects.filter(parent_run=run.pk).count() == 3
    started = ItemChild.objects.filter(node_run=run, started_at__isnull=False)
    while unended := [row.child for row in started.filter(ended_at=None) if row.child is not None]:
        assert len(unended) <= 3
        for child in unended:
            assert go_on(child).status == ExecutionStatus.COMPLETED
        Execution.objects.filter(pk__in=[child.pk for child in unended]).update(follow_up_due=True)
        together(*[completion.follow_up_all for _ in range(6)])
    assert Execution.objects.filter(parent_run=run.pk).count() == 7
    outcomes = ChildrenOfItems(run).outcomes()
    assert [outcomes[n]["items"] for n in range(7)] == [[{"n": n}] for n in range(7)]
    assert Wait.objects.get(execution=claimed.execution).resolved_at is not None
    assert start_for_items(run, workflow, 7, 3, "continue") is True


def test_a_worker_that_has_lost_the_parent_starts_no_child_of_an_item() -> None:
    claimed, run, workflow = calling()
    Execution.objects.filter(pk=claimed.execution.pk).update(fencing_token=7)
    with pytest.raises(NodeError, match="another worker holds it"):
        start_for_items(run, workflow, 2, 1, "continue")
    assert not ItemChild.objects.exists()


def test_children_that_nothing_has_started_are_started_by_a_sweep() -> None:
    claimed, run, workflow = calling()
    lifecycle.request_pause(claimed.execution)
    start_for_items(run, workflow, 3, 2, "continue")  # the first ones belong to a node run that goes on
    first = [row.child for row in ItemChild.objects.filter(child__isnull=False).select_related("child")]
    for child in first:
        assert child is not None
        go_on(child)
    completion.follow_up_all()
    assert (len(first), child_ends.sweep()) == (2, 0)
    lifecycle.request_resume(claimed.execution)
    assert (child_ends.sweep(), child_ends.sweep()) == (1, 0)
    assert Execution.objects.filter(parent_run=run.pk).count() == 3
