"""Code that holds the interpreter's lock of a worker, and workers whose loop is stuck: what becomes of the leases."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from executions.admission import admission
from executions.domain.statuses import ExecutionStatus
from executions.engine import lease
from executions.engine.actor import ExecutionActor
from executions.engine.definition import definition
from executions.engine.driver import TURN_THREADS, driver
from executions.engine.heartbeat.table import Table
from executions.lifecycle import ClaimedExecution
from executions.models import Execution
from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.engine import COMMITS, claim_leases, make_execution, run_here
from tests.heartbeats import companion
from tests.recovery.test_workers import holder, start_asking
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

HELD_LOCK = Path(__file__).resolve().parent / "held_lock"
TWO = ([node("start", "manual_trigger"), node("give", "set", fields={"n": 1})], [edge("start", "give")])


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as found:
        yield found


# --- the companion, with a hand on the clock --------------------------------------------------------------------------


def claim(execution: Execution, worker: str = "a worker") -> ClaimedExecution:
    admission.admit()
    (claimed,) = claim_leases([execution.pk], worker)
    return claimed


def expiry(execution: Execution) -> float:
    execution.refresh_from_db()
    assert execution.lease_expires_at is not None
    return execution.lease_expires_at.timestamp()


@COMMITS
def test_a_lease_is_renewed_while_its_worker_takes_turns_and_no_longer() -> None:
    execution, table = make_execution(*TWO), Table.create(4)
    held = claim(execution).lease
    table.hold(2, held.execution_id, held.fencing_token)
    before = expiry(execution)
    with companion(table) as beats:
        table.tick(time.monotonic())
        beats.beat()
        renewed = expiry(execution)
        table.tick(time.monotonic() - django_settings.LEASE_SECONDS - 1)
        beats.beat()
    assert before < renewed == expiry(execution)
    assert not table.is_lost(2, held.execution_id, held.fencing_token)  # it lasts for its time


@COMMITS
def test_an_execution_that_is_stuck_in_a_turn_is_not_renewed_and_the_others_are() -> None:
    stuck, other, table = make_execution(*TWO), make_execution(*TWO), Table.create(4)
    for slot, each in enumerate((stuck, other)):
        held = claim(each).lease
        table.hold(slot, held.execution_id, held.fencing_token)
    before = expiry(stuck), expiry(other)
    table.tick(time.monotonic())
    table.turn(0, time.monotonic() - django_settings.LEASE_SECONDS - 1)
    table.turn(1, time.monotonic())
    with companion(table) as beats:
        beats.beat()
    assert (expiry(stuck) > before[0], expiry(other) > before[1]) == (False, True)


@COMMITS
def test_a_lease_that_ran_out_is_not_taken_back_and_its_worker_learns_of_it() -> None:
    execution, table = make_execution(*TWO), Table.create(1)
    held = claim(execution).lease
    table.hold(0, held.execution_id, held.fencing_token)
    table.tick(time.monotonic())
    Execution.objects.filter(pk=execution.pk).update(lease_expires_at=timezone.now())
    with companion(table) as beats:
        beats.beat()
    assert table.is_lost(0, held.execution_id, held.fencing_token)
    assert not table.is_lost(0, held.execution_id, held.fencing_token + 1)
    assert run_here(execution).status == ExecutionStatus.COMPLETED


@pytest.fixture
def own_heartbeats(settings: Any) -> Iterator[None]:
    settings.LEASE_SECONDS, settings.HEARTBEAT_SECONDS = 2.0, 0.2
    with lease.heartbeats.replaced():
        yield


@COMMITS
def test_a_worker_whose_turns_are_all_stuck_loses_its_leases_and_another_finishes(
    own_heartbeats: None,
) -> None:
    execution = make_execution(*TWO)
    first, go_on, left = claim(execution), threading.Event(), threading.Event()
    stuck = [threading.Event() for _ in range(TURN_THREADS)]

    def be_stuck(mine: threading.Event) -> None:
        mine.set()
        go_on.wait(60)

    try:
        for mine in stuck:
            driver().turns.submit(lambda mine=mine: be_stuck(mine), mine)  # type: ignore[misc]
        assert all(mine.wait(60) for mine in stuck)
        actor = ExecutionActor(driver(), first, definition(first.execution.version_id), lambda actor: left.set())
        actor.start()
        wait_until(lambda: expiry(execution) < timezone.now().timestamp(), "The end of the lease")
        (second,) = claim_leases([execution.pk], "another worker")
        assert second.lease.fencing_token == first.lease.fencing_token + 1
    finally:
        go_on.set()
    assert left.wait(60)
    execution.refresh_from_db()
    assert (execution.worker, execution.recoveries) == ("another worker", 1)
    Execution.objects.filter(pk=execution.pk).update(lease_expires_at=timezone.now())
    assert run_here(execution).status == ExecutionStatus.COMPLETED


# --- real workers -----------------------------------------------------------------------------------------------------


def companion_of(worker: int) -> psutil.Process | None:
    """Return the process that renews the leases of a worker."""
    children = psutil.Process(worker).children() if psutil.pid_exists(worker) else []
    found = [child for child in children if "executions.engine.heartbeat.companion" in shown(child.cmdline)]
    return next(iter(found), None)  # a dead one has no command line any more


def lease_of(platform: Platform, execution: dict[str, Any]) -> tuple[int, int, bool]:
    """Return the fencing token, how often the execution was recovered, and whether its lease holds."""
    statement = (
        "SELECT fencing_token, recoveries, COALESCE(lease_expires_at > clock_timestamp(), false)"
        " FROM executions_execution WHERE id = %s"
    )
    (row,) = platform.query(statement, execution["id"])
    return row[0], row[1], row[2]


def completed(platform: Platform, execution: dict[str, Any]) -> bool:
    return bool(platform.request("GET", f"/api/executions/{execution['id']}/").json()["status"] == "completed")


def test_leases_outlive_code_that_holds_the_interpreters_lock_for_longer_than_they_last(
    another: Callable[..., Platform], server: Answering, tmp_path: Path
) -> None:
    site = another(2, LEASE_SECONDS="8", HEARTBEAT_SECONDS="1", PYTHONPATH=str(HELD_LOCK), HOLD_LOCK=str(tmp_path))
    execution = start_asking(site, server.url)
    wait_until(lambda: len(server.asked) == 1, "The first request")
    worker = holder(site, execution)
    told, done = tmp_path / str(worker), tmp_path / f"{worker}.done"
    told.write_text("9")
    wait_until(done.exists, "The end of the hold")
    told.unlink()
    assert lease_of(site, execution) == (1, 0, True)
    server.open()
    wait_until(lambda: completed(site, execution), "The end of the execution")
    assert lease_of(site, execution)[:2] == (1, 0)
    assert len(server.asked) == 1


def test_readiness_names_a_worker_that_starves_and_is_lost_when_all_do(
    another: Callable[..., Platform], server: Answering, tmp_path: Path
) -> None:
    limits = {"PERF_MAX_TURN_DELAY_MS": "300", "PRESSURE_SAMPLE_SECONDS": "0.2", "LEASE_SECONDS": "60"}
    site = another(1, PYTHONPATH=str(HELD_LOCK), HOLD_LOCK=str(tmp_path), **limits)
    execution = start_asking(site, server.url)
    wait_until(lambda: len(server.asked) == 1, "The first request")
    told = tmp_path / str(holder(site, execution))
    told.write_text("0.8")
    wait_until(lambda: site.request("GET", "/readyz").status_code == 503, "The loss of readiness")
    told.unlink()
    found = site.request("GET", "/readyz").json()
    if found["status"] == "not ready":  # it may have recovered by now
        assert [name.endswith(f":{told.name}") for name in found["starving"]] == [True]
        assert found["warnings"]
    wait_until(lambda: site.request("GET", "/readyz").status_code == 200, "Readiness")
    assert "starving" not in site.request("GET", "/readyz").json()
    server.open()
    wait_until(lambda: completed(site, execution), "The end of the execution")
    statement = "SELECT data FROM events_event WHERE type = 'system.resource_warning' ORDER BY sequence"
    warnings = [row[0] for row in site.query(statement) if "is overloaded" in row[0]["message"]]
    assert warnings[0]["component"].endswith(f":{told.name}")
    assert warnings[0]["figures"]["turn_delay_ms"] > warnings[0]["figures"]["turn_delay_limit_ms"]


def test_leases_outlive_the_companion_which_is_started_again_and_ends_with_its_worker(
    another: Callable[..., Platform], server: Answering
) -> None:
    site = another(2, LEASE_SECONDS="6")  # the end of the test waits for it
    execution = start_asking(site, server.url)
    wait_until(lambda: len(server.asked) == 1, "The first request")
    worker = holder(site, execution)
    first = companion_of(worker)
    assert first is not None
    first.kill()
    wait_until(lambda: companion_of(worker) not in {None, first}, "Another companion")
    second = companion_of(worker)
    assert second is not None
    (before,) = site.query("SELECT lease_expires_at FROM executions_execution WHERE id = %s", execution["id"])
    renewed = "SELECT lease_expires_at > %s FROM executions_execution WHERE id = %s"
    wait_until(lambda: site.query(renewed, before[0], execution["id"]) == [(True,)], "A lease that it renewed")
    assert lease_of(site, execution) == (1, 0, True)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not second.is_running() or second.status() == psutil.STATUS_ZOMBIE, "The companion's end")
    server.open()
    wait_until(lambda: completed(site, execution), "The end of the execution")
    assert lease_of(site, execution)[:2] == (2, 1)


def test_the_password_of_the_database_is_in_no_argument_and_no_variable_of_the_companion(platform: Platform) -> None:
    password = platform.environment["DATABASE_URL"].split(":")[2].split("@")[0]
    found = [p for p in psutil.process_iter() if "executions.engine.heartbeat.companion" in " ".join(shown(p.cmdline))]
    assert found
    for process in found:
        assert not any(password in text for text in [*shown(process.cmdline), *shown(process.environ)])


def shown(read: Callable[[], Any]) -> list[str]:
    try:
        told = read()
    except psutil.Error:
        return []
    return list(told.values()) if isinstance(told, dict) else list(told)
