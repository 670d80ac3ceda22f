"""Heartbeats and the recorder lock the same rows: neither may kill the other, nor make it lose a lease."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone

from executions import lifecycle
from executions.engine.commit import TransactionTrace, write_and_claim
from executions.engine.heartbeat.table import Table
from executions.engine.recorder import recorder
from executions.lifecycle import Lease
from executions.models import Execution
from tests.engine import COMMITS, claim_leases, make_execution
from tests.heartbeats import companion
from tests.workflows import node
from workflow_platform.installation.embedded import wait_until

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def claimed(execution: Execution) -> tuple[Execution, Lease]:
    (found,) = claim_leases([execution.pk], "a worker")
    return found.execution, found.lease


def waiting(looking: psycopg.Connection[tuple[int]]) -> int:
    row = looking.execute(WAITING).fetchone()
    assert row is not None
    return row[0]


@COMMITS
def test_a_heartbeat_passes_over_what_a_commit_has_locked_and_does_not_lose_it() -> None:
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
    with (
        psycopg.connect(**address) as outside,
        psycopg.connect(**address, autocommit=True) as looking,
        ThreadPoolExecutor(1) as threads,
        companion(table) as beats,
    ):
        with outside.transaction():
            outside.execute("SELECT 1 FROM executions_execution WHERE id = %s FOR UPDATE", [first.pk])
            commit = threads.submit(_closing, lambda: write_and_claim(changes, [], TransactionTrace()))
            wait_until(lambda: waiting(looking) == 1, "The commit, which waits for the first row")
            beats.beat()  # while the rows are locked
            for slot, held in enumerate((second_lease, first_lease)):
                assert not table.is_lost(slot, held.execution_id, held.fencing_token)
        assert commit.result(60).stale == set()


@COMMITS
def test_what_is_written_for_long_has_its_lease_renewed_by_the_recorder(settings: Any) -> None:
    settings.HEARTBEAT_SECONDS = 0
    execution, lease = claimed(make_execution([node("start", "manual_trigger")], []))
    until = "lease_expires_at"
    Execution.objects.filter(pk=execution.pk).update(lease_expires_at=timezone.now() + timedelta(seconds=2))
    before = Execution.objects.values_list(until, flat=True).get(pk=execution.pk)
    said = lifecycle.event(execution, "log", {"level": "info", "message": "written"})
    recorder().submit(lifecycle.Change(lease, [said])).result(60)
    after = Execution.objects.values_list(until, flat=True).get(pk=execution.pk)
    assert before is not None
    assert after is not None
    assert after > before


def _closing(work: object) -> object:
    try:
        return work()  # type: ignore[operator]
    finally:
        connection.close()
