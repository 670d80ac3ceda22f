"""Heartbeats and the recorder lock the same rows; whatever order the leases are held in, neither may kill the other."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
from django.db import connection
from django.utils import timezone

from executions import lifecycle
from executions.engine import recorder
from executions.heartbeat.table import Table
from executions.lifecycle import Lease
from executions.models import Execution
from tests.engine import COMMITS, make_execution
from tests.heartbeats import companion
from tests.workflows import node
from workflow_platform.embedded import wait_until

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def claimed(execution: Execution) -> tuple[Execution, Lease]:
    (found,) = lifecycle.claim([execution.pk], "a worker")
    return found.execution, found.lease


def waiting(looking: psycopg.Connection[tuple[int]]) -> int:
    row = looking.execute(WAITING).fetchone()
    assert row is not None
    return row[0]


@COMMITS
def test_a_heartbeat_and_a_commit_do_not_deadlock() -> None:
    older, newer = (make_execution([node("start", "manual_trigger")], []) for _ in range(2))
    # As after a recovery: the older execution was claimed last.
    second, second_lease = claimed(newer)
    first, first_lease = claimed(older)
    table = Table.create(2)
    for slot, held in enumerate((second_lease, first_lease)):
        table.hold(slot, held.execution_id, held.fencing_token)
    table.tick(time.monotonic())
    until = timezone.now()
    changes = [
        lifecycle.release_waiting(first, first_lease, until, 0),
        lifecycle.release_waiting(second, second_lease, until, 0),
    ]
    names = ("dbname", "user", "password", "host", "port")
    address = {name: value for name, value in connection.get_connection_params().items() if name in names}
    # Two: within a transaction, pg_stat_activity tells the same all the time.
    with (
        psycopg.connect(**address) as outside,
        psycopg.connect(**address, autocommit=True) as looking,
        ThreadPoolExecutor(2) as threads,
        companion(table) as beats,
    ):
        with outside.transaction():
            outside.execute("SELECT 1 FROM executions_execution WHERE id = %s FOR UPDATE", [first.pk])
            commit = threads.submit(_closing, lambda: recorder.write(changes))
            wait_until(lambda: waiting(looking) == 1, "The commit, which waits for the first row")
            beat = threads.submit(beats.beat)
            wait_until(lambda: waiting(looking) == 2, "The heartbeat, which waits too")
        assert commit.result(60) == set()
        beat.result(60)


def _closing(work: object) -> object:
    try:
        return work()  # type: ignore[operator]
    finally:
        connection.close()
