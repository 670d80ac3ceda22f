"""The first turn of a new execution: claimed and written in one commit, by one worker only."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone

from executions import lifecycle
from executions.domain.statuses import ExecutionStatus
from executions.engine import actor as acting
from executions.engine import mailbox
from executions.engine.actor import ExecutionActor
from executions.engine.commit import StaleLease
from executions.engine.definition import definition
from executions.engine.driver import driver
from executions.engine.recorder import Recorder
from executions.lifecycle import ClaimedExecution
from executions.models import Execution, NodeRun
from tests.engine import COMMITS, claim_leases, make_execution
from tests.recording import read_stream
from tests.surroundings import PATIENCE_SECONDS
from tests.workflows import edge, node

TWO_NODES: tuple[list[dict[str, Any]], list[dict[str, Any]]] = (
    [node("start", "manual_trigger"), node("a", "set", fields={"n": "{{ 1 + 1 }}"})],
    [edge("start", "a")],
)


def read_new(execution: Execution, worker: str) -> ClaimedExecution:
    (found,) = lifecycle.read_new([execution.pk], worker)
    return found


def said(of: ClaimedExecution, message: str) -> lifecycle.Change:
    return lifecycle.Change(of.lease, [lifecycle.event(of.execution, "log", {"level": "info", "message": message})])


@COMMITS
def test_a_short_execution_is_claimed_and_ended_in_one_commit() -> None:
    execution = make_execution(*TWO_NODES)
    claimed, over = read_new(execution, "here"), threading.Event()
    actor = ExecutionActor(driver(), claimed, definition(execution.version_id), lambda actor: over.set())
    with mock.patch.object(acting, "TURN_SECONDS", 60), mock.patch.object(mailbox, "TURN_SECONDS", 60):
        actor.start()  # a busy machine might need several turns for it
        assert over.wait(PATIENCE_SECONDS)
    execution.refresh_from_db()
    assert (execution.status, execution.worker, execution.fencing_token) == ("completed", "here", 1)
    queued, *others = read_stream(execution.stream.name)
    assert [event["type"] for event in (queued, others[0], others[-1])] == [
        "execution.queued",
        "execution.started",
        "execution.completed",
    ]
    assert len(set(NodeRun.objects.filter(execution=execution).values_list("status", flat=True))) == 1
    assert len(set(_transactions(execution)[1:])) == 1


def _transactions(execution: Execution) -> list[int]:
    return list(execution.stream.events.order_by("sequence").values_list("transaction", flat=True))


@COMMITS
def test_of_two_workers_that_begin_an_execution_with_the_same_token_one_writes() -> None:
    execution = make_execution(*TWO_NODES)
    first, second = read_new(execution, "first"), read_new(execution, "second")
    assert first.lease.fencing_token == second.lease.fencing_token
    recorders = Recorder(), Recorder()
    recorders[0].submit(lifecycle.begin(first.execution, first.lease)).result(PATIENCE_SECONDS)
    begun, further = recorders[1].submit(lifecycle.begin(second.execution, second.lease)), said(second, "stale")
    with pytest.raises(StaleLease):
        begun.result(PATIENCE_SECONDS)
    with pytest.raises(StaleLease):
        recorders[1].submit(further).result(PATIENCE_SECONDS)
    with pytest.raises(StaleLease):  # nor if another process of the worker's passes it on
        Recorder().submit(said(second, "stale")).result(PATIENCE_SECONDS)
    recorders[0].submit(said(first, "valid")).result(PATIENCE_SECONDS)
    types = [event["type"] for event in read_stream(execution.stream.name)]
    assert types == ["execution.queued", "execution.started", "execution.log"]


@COMMITS
@pytest.mark.parametrize("what", ["cancelled", "paused", "claimed"])
def test_an_execution_that_changed_meanwhile_is_not_begun(what: str) -> None:
    execution = make_execution(*TWO_NODES)
    found = read_new(execution, "late")
    if what == "cancelled":
        lifecycle.request_cancel(execution)
    elif what == "paused":
        lifecycle.request_pause(execution)
    else:
        claim_leases([execution.pk], "faster")
    with pytest.raises(StaleLease):
        Recorder().submit(lifecycle.begin(found.execution, found.lease)).result(PATIENCE_SECONDS)
    execution.refresh_from_db()
    assert execution.worker != "late"


@COMMITS
def test_what_may_have_ended_a_worker_is_claimed_before_it_runs() -> None:
    """So that its recoveries are counted: the sweep enqueues a lost job after TAKEN_GRACE."""
    execution = make_execution(*TWO_NODES)
    assert lifecycle.read_new([execution.pk], "here")
    long_ago = timezone.now() - timedelta(seconds=5)
    Execution.objects.filter(pk=execution.pk).update(admitted_at=long_ago)
    assert not lifecycle.read_new([execution.pk], "here")
    (claimed,) = claim_leases([execution.pk], "here")
    assert claimed.execution.status == ExecutionStatus.RUNNING.value
