"""What people do to workers with RQ's own tools: suspend, stop a job, look at registries, end a worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import redis
from rq.command import send_stop_job_command
from rq.queue import Queue
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.suspension import resume, suspend
from rq.worker import BaseWorker

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.recovery.test_workers import check_recovered, holder, start_asking
from tests.workflows import node
from workflow_platform.installation.embedded import wait_until
from workflow_platform.installation.supervision import processes


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as found:
        yield found


@pytest.fixture
def books(platform: Platform) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(platform.environment["REDIS_URL"]) as connection:
        yield connection


def start_short(platform: Platform) -> dict[str, Any]:
    definition = {"name": "Short", "nodes": [node("start", "manual_trigger")], "edges": []}
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    return dict(platform.request("POST", f"/api/workflows/{workflow}/execute/", json={}).json())


def status_of(platform: Platform, execution: dict[str, Any]) -> str:
    return str(platform.request("GET", f"/api/executions/{execution['id']}/").json()["status"])


def states(books: redis.Redis) -> set[str]:
    """Return the states of the workers that are alive: other tests have killed some."""
    return {worker.get_state() for worker in BaseWorker.all(connection=books) if is_running(worker.pid)}


def is_running(pid: int) -> bool:
    """Return whether the process is a worker that lives: the number of a dead one may be another process's by now."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "rqworker" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def test_suspended_workers_take_nothing_until_they_are_resumed(platform: Platform, books: redis.Redis) -> None:
    suspend(books)
    try:
        wait_until(lambda: states(books) == {"suspended"}, "The suspension of every worker")
        execution = start_short(platform)
        wait_until(lambda: Queue("default", connection=books).count == 1, "The job")
        assert status_of(platform, execution) == "queued"
    finally:
        resume(books)
    wait_until(lambda: status_of(platform, execution) == "completed", "The execution")


def test_rqs_stop_command_cancels_the_execution(platform: Platform, books: redis.Redis, server: Answering) -> None:
    execution = start_asking(platform, server.url)
    wait_until(lambda: len(server.asked) == 1, "The request")
    (job_id,) = [i for i in started(books) if execution["id"] in i]
    send_stop_job_command(books, job_id)
    wait_until(lambda: status_of(platform, execution) == "cancelled", "The cancellation")
    shown = platform.request("GET", f"/api/executions/{execution['id']}/events/?type=execution.cancelled").json()
    assert shown["events"][0]["data"]["reason"] == "Stopped through RQ."


def started(books: redis.Redis) -> list[str]:
    return list(StartedJobRegistry("default", connection=books).get_job_ids(cleanup=False))


def test_a_job_stands_in_the_registry_of_started_ones_while_it_runs_and_leaves_nothing(
    platform: Platform, books: redis.Redis, server: Answering
) -> None:
    execution = start_asking(platform, server.url)
    wait_until(lambda: len(server.asked) == 1, "The request")
    assert any(execution["id"] in job_id for job_id in started(books))
    server.open()
    wait_until(lambda: status_of(platform, execution) == "completed", "The execution")
    wait_until(lambda: not list(books.scan_iter(f"*{execution['id']}*")), "Redis without a trace of it")
    assert not any(execution["id"] in job_id for job_id in started(books))
    assert FailedJobRegistry("default", connection=books).count == 0


def test_a_worker_that_is_told_to_stop_hands_over_what_does_not_end_in_time(
    platform: Platform, server: Answering
) -> None:
    execution = start_asking(platform, server.url)
    wait_until(lambda: len(server.asked) == 1, "The first request")
    worker = holder(platform, execution)
    os.kill(worker, signal.SIGTERM)
    wait_until(lambda: len(server.asked) == 2, "The second request, by the other worker")
    server.open()
    events = check_recovered(platform, server, execution)
    (recovered,) = (event["data"] for event in events if event["type"] == "execution.recovered")
    assert (recovered["reason"], recovered["recoveries"]) == ("handed_over", 0)
    wait_until(lambda: not is_running(worker), "Its end")
    platform.start(next(p for p in processes("127.0.0.1", 0, workers=1) if p.name == "worker"))
