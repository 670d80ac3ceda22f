"""The engine where it is easily wrong: cycles without a pause, cancellations that cross a release, lost jobs."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import django_rq
import psycopg
import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.utils import timezone
from pydantic import ValidationError

from events import log
from executions import lifecycle
from executions.admission import rq_queues
from executions.domain.statuses import ExecutionStatus
from executions.engine import commit as committing
from executions.engine.commit import StaleLease, TransactionTrace, Written
from executions.engine.recorder import Recorder, recorder
from executions.models import Execution, NodeRun
from executions.workers import recovery
from tests.conftest import Platform
from tests.engine import COMMITS, claim_leases, commit, make_execution
from tests.recording import read_stream
from tests.watching import watch
from tests.workflows import edge, node
from workflow_platform.core.identifiers import uuid7_text
from workflow_platform.installation.embedded import wait_until

START_ONLY: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([node("start", "manual_trigger")], [])


def start_endless(platform: Platform, **settings: Any) -> dict[str, Any]:
    """Start a cycle of two nodes that never wait for anything."""
    definition = {
        "name": "Round and round",
        "nodes": [node("start", "manual_trigger"), node("a", "set", fields={"n": 1}), node("b", "no_op")],
        "edges": [edge("start", "a"), edge("a", "b"), edge("b", "a")],
        "settings": settings,
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    body = {"input": [{"n": 0}]}
    return dict(platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body).json())


def end_of(platform: Platform, execution: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(asyncio.wait_for(watch(platform.ws_url, platform.token, execution["stream"]), 240))[-1]


def test_an_endless_cycle_of_fast_nodes_is_cancelled(platform: Platform) -> None:
    execution = start_endless(platform)
    path = f"/api/executions/{execution['id']}/"
    wait_until(lambda: platform.request("GET", path).json()["events"] > 200, "Some turns of the cycle")
    platform.request("POST", f"{path}cancel/", json={"reason": "Going nowhere."})
    end = end_of(platform, execution)
    assert end["type"] == "execution.cancelled"
    assert (end["data"]["reason"], end["data"]["by"]) == ("Going nowhere.", "admin")


def test_an_endless_cycle_of_fast_nodes_ends_at_its_deadline(platform: Platform) -> None:
    execution = start_endless(platform, max_execution_time_ms=300)
    assert end_of(platform, execution)["type"] == "execution.timed_out"


@COMMITS
def test_a_cancellation_that_crosses_a_release_takes_effect_at_once() -> None:
    execution = make_execution(*START_ONLY)
    (claimed,) = claim_leases([execution.pk], "a worker")
    running, lease = claimed.execution, claimed.lease
    lifecycle.request_cancel(running, reason="Not needed.")
    until = timezone.now() + timedelta(days=1)
    commit(lifecycle.release_waiting(running, lease, until, 0))
    assert recovery.sweep() == 1
    assert claim_leases([execution.pk], "another worker") == []
    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.CANCELLED
    last = read_stream(execution.stream.name)[-1]
    assert (last["type"], last["data"]["reason"]) == ("execution.cancelled", "Not needed.")


@COMMITS
def test_a_job_that_died_with_its_worker_before_the_claim_is_queued_again() -> None:
    execution = make_execution(*START_ONLY)
    queue = django_rq.get_queue(execution.priority)
    assert rq_queues.without_job([execution]) == []
    job_id = rq_queues.NextClaim.of(execution).job_id
    queue.remove(job_id)  # as BLPOP does; the job's own record still says "queued"
    Execution.objects.filter(pk=execution.pk).update(admitted_at=timezone.now() - recovery.ADMITTED_GRACE)
    assert recovery.sweep() == 1
    assert job_id in queue.get_job_ids()
    assert recovery.sweep() == 0


@COMMITS
def test_after_a_change_that_was_not_written_none_of_its_execution_is() -> None:
    execution = make_execution(*START_ONLY)
    (claimed,) = claim_leases([execution.pk], "a worker")
    running, lease = claimed.execution, claimed.lease
    head = log.head(execution.stream.name)

    def said(message: str) -> lifecycle.Change:
        event = lifecycle.event(running, "log", {"level": "info", "message": message})
        return lifecycle.Change(lease, [event])

    with mock.patch.object(committing, "write_rows", side_effect=DataError("what cannot be stored")):
        first = recorder().submit(said("first"))
        with pytest.raises(DataError):
            first.result(60)
    with pytest.raises(StaleLease):
        recorder().submit(said("second")).result(60)
    assert log.head(execution.stream.name) == head


def once(then: Any) -> Any:
    """Return a stand-in for `then[0]` that does `then[1]` after it, the first time."""
    real, further = then
    left = [further]

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        if left:
            left.pop()()
        return result

    return stand_in


def break_connection() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def end_backend() -> None:
    """Have the next statement fail: the commit."""
    pid, there = connection.connection.info.backend_pid, "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: other.execute(there, [pid]).fetchone() == (0,), "The end of the session")


def lose_the_answer() -> None:
    raise OperationalError("the server closed the connection unexpectedly")


@COMMITS
@pytest.mark.parametrize(
    ("where", "what"),
    [("write_rows", break_connection), ("Written", end_backend), ("write_and_claim", lose_the_answer)],
    ids=["before", "at", "after"],
)
def test_a_change_is_written_once_though_the_connection_breaks_off_around_its_commit(where: str, what: Any) -> None:
    execution = make_execution(*START_ONLY)
    (claimed,) = claim_leases([execution.pk], "a worker")
    said = lifecycle.event(claimed.execution, "log", {"level": "info", "message": "once"})
    with mock.patch.object(committing, where, once((getattr(committing, where), what))):
        recorder().submit(lifecycle.Change(claimed.lease, [said])).result(60)
    messages = [e["data"]["message"] for e in read_stream(execution.stream.name, types=["execution.log"])]
    assert messages == ["once"]


@COMMITS
def test_a_commit_is_known_by_what_it_wrote_since_a_crash_may_give_its_number_to_another() -> None:
    """PostgreSQL counts transactions again from the last one that reached the disk."""
    execution = make_execution(*START_ONLY)
    with transaction.atomic(), connection.cursor() as cursor:
        (there,) = log.append([lifecycle.event(execution, "log", {"level": "info", "message": "of another"})])
        cursor.execute("SELECT pg_current_xact_id()::text")
        (number,) = cursor.fetchone()
    written = Written(set(), [])

    def found(number: str, event_id: str) -> Any:
        return TransactionTrace(number, event_id, written).find_committed(time.monotonic() + 60)

    assert found(number, there.id) is written
    assert found(number, uuid7_text()) is None  # the number is another's, which was committed
    to_come = str(int(number) + 1_000_000)
    assert found(to_come, uuid7_text()) is None
    assert found(number, "") is None  # written again, it comes to the same


@COMMITS
def test_while_a_transaction_is_under_way_it_is_not_known_what_becomes_of_it() -> None:
    execution = make_execution(*START_ONLY)
    known, go_on, ids = threading.Event(), threading.Event(), list[str]()

    def write() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            ids.append(log.append([lifecycle.event(execution, "log", {"level": "info", "message": "slow"})])[0].id)
            cursor.execute("SELECT pg_current_xact_id()::text")
            ids.append(cursor.fetchone()[0])
            known.set()
            go_on.wait(60)
        connection.close()

    def look() -> Any:
        try:
            return TransactionTrace(ids[1], ids[0], written).find_committed(time.monotonic() + 60)
        finally:
            connection.close()

    written, first_look = Written(set(), []), once((TransactionTrace._is_over, go_on.set))
    with ThreadPoolExecutor(2) as pool, mock.patch.object(TransactionTrace, "_is_over", first_look):
        writing = pool.submit(write)
        assert known.wait(60)
        assert pool.submit(look).result(60) is written
        writing.result(60)


@COMMITS
def test_a_change_that_cannot_be_stored_does_not_break_those_committed_with_it() -> None:
    claims = [claim_leases([make_execution(*START_ONLY).pk], "a worker")[0] for _ in range(2)]
    changes = [
        lifecycle.Change(claimed.lease, [lifecycle.event(claimed.execution, "log", {"level": level, "message": "x"})])
        for claimed, level in zip(claims, ["no level", "info"], strict=True)
    ]
    with mock.patch.object(Recorder, "_run"), mock.patch.object(Recorder, "_run_bulk"):
        one = Recorder()
    bad, good = (one.submit(change) for change in changes)
    one._commit([(change, future) for change, future in zip(changes, [bad, good], strict=True)], [])
    with pytest.raises(ValidationError):
        bad.result(0)
    assert good.result(0) is None


@COMMITS
def test_an_event_has_the_time_at_which_it_happened_not_that_of_its_commit() -> None:
    execution = make_execution(*START_ONLY)
    (claimed,) = claim_leases([execution.pk], "here")
    execution, lease = claimed.execution, claimed.lease
    run = NodeRun(execution=execution, node_id="start", name="Start", node_type="manual_trigger")
    change = lifecycle.start_node(execution, lease, run, 0)
    happened = timezone.now()
    commit(change)
    (told,) = read_stream(f"execution:{execution.pk}", types=["execution.node_started"])
    assert datetime.fromisoformat(told["time"]) <= happened
