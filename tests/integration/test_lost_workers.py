"""Executions whose workers are lost, with a hand on the lease: what is run again, what is not, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from executions import lifecycle
from executions.domain.statuses import ExecutionStatus
from executions.engine.node_runner import LOST_WHILE_RUNNING
from executions.models import Execution, NodeRun
from executions.nodes.set import Set
from tests.engine import COMMITS, claim_leases, commit, lose_worker, make_execution, run_here
from tests.recording import read_stream
from tests.workflows import edge, node

TWO = ([node("start", "manual_trigger"), node("give", "set", fields={"n": 1})], [edge("start", "give")])


def start_and_lose(execution: Execution) -> None:
    """Have a worker begin the second node, and lose it."""
    (claimed,) = claim_leases([execution.pk], "a worker that dies")
    first = NodeRun(execution=execution, node_id="start", name="Start", node_type="manual_trigger")
    changes = [lifecycle.start_node(claimed.execution, claimed.lease, first, 0)]
    first.output, first.duration_ms, first.cpu_ms, first.memory_bytes = {"main": [{}]}, 1.0, 0.0, 0
    changes.append(lifecycle.complete_node(claimed.execution, claimed.lease, first, None))
    second = NodeRun(execution=execution, node_id="give", name="Give", node_type="set")
    second.inputs = {"main": [{"node": "start", "run_index": 0, "output": "main"}]}
    changes.append(lifecycle.start_node(claimed.execution, claimed.lease, second, 1))
    commit(*changes)
    lose_worker(execution)


@COMMITS
def test_a_node_that_was_in_flight_is_run_again_and_a_finished_one_is_not() -> None:
    execution = make_execution(*TWO)
    start_and_lose(execution)
    assert run_here(execution).status == ExecutionStatus.COMPLETED
    told = read_stream(f"execution:{execution.pk}")
    assert [e["data"]["node"] for e in told if e["type"] == "execution.node_completed"] == ["start", "give"]
    (recovered,) = (e["data"] for e in told if e["type"] == "execution.recovered")
    assert (recovered["reason"], recovered["restarted_nodes"]) == ("lease_lost", ["give"])


@COMMITS
def test_a_node_whose_type_must_not_be_repeated_fails_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Set, "retry_on_crash", False)
    execution = make_execution(*TWO)
    start_and_lose(execution)
    assert run_here(execution).status == ExecutionStatus.FAILED
    assert execution.error is not None
    assert execution.error["message"] == LOST_WHILE_RUNNING


@COMMITS
def test_an_execution_that_loses_its_workers_again_and_again_fails_with_the_reason() -> None:
    execution = make_execution(*TWO)
    for _ in range(settings.MAX_RECOVERIES + 1):
        assert claim_leases([execution.pk], "a worker that dies")
        lose_worker(execution)
    assert claim_leases([execution.pk], "one more") == []
    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.FAILED
    assert execution.error is not None
    assert "not retried" in execution.error["message"]


@COMMITS
def test_what_is_handed_over_counts_as_no_crash() -> None:
    execution = make_execution(*TWO)
    for _ in range(settings.MAX_RECOVERIES + 2):
        (claimed,) = claim_leases([execution.pk], "a worker that stops")
        commit(lifecycle.hand_over(claimed.lease, 5.0))
    assert run_here(execution).status == ExecutionStatus.COMPLETED
    assert execution.recoveries == 0


@COMMITS
def test_a_deadline_counts_the_time_that_it_ran_and_not_the_time_that_it_waited() -> None:
    execution = make_execution(
        [node("start", "manual_trigger"), node("wait", "wait", seconds=3600)],
        [edge("start", "wait")],
        max_execution_time_ms=60_000,
    )
    assert run_here(execution).status == ExecutionStatus.WAITING
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Execution.objects.filter(pk=execution.pk).update(started_at=an_hour_ago, resume_at=an_hour_ago)
    NodeRun.objects.filter(execution=execution, node_id="wait").update(wake_at=an_hour_ago)
    assert run_here(execution).status == ExecutionStatus.COMPLETED
