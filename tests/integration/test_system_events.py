"""What the installation tells of itself: its processes, its health, its queues, and what failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import redis
from django.utils import timezone
from rq import Worker

from events.log.models import Event
from executions.management.commands import run_scheduler
from executions.management.commands.run_scheduler import Sweep
from executions.models import Execution
from executions.workers import health_reports
from executions.workers.health_reports import HealthReport, QueueReport
from tests.admitting import start, workflow_in
from tests.conftest import ROOT, Platform
from workflow_platform.installation.embedded import wait_until
from workflow_platform.installation.supervision import processes

NEVER = timedelta(hours=1)


def told(type_: str) -> list[dict[str, Any]]:
    return [event.data for event in Event.objects.filter(type=f"system.{type_}").order_by("sequence")]


# --- processes --------------------------------------------------------------------------------------------------------


def of_processes(platform: Platform, type_: str) -> list[dict[str, Any]]:
    with psycopg.connect(platform.environment["DATABASE_URL"]) as database:
        rows = database.execute("SELECT data FROM events_event WHERE type = %s", [f"system.{type_}"]).fetchall()
    return [row[0] for row in rows]


def test_workers_and_schedulers_tell_of_their_start_and_their_end(platform: Platform) -> None:
    wait_until(lambda: len(of_processes(platform, "startup")) >= 3, "Two workers and the scheduler")
    started = of_processes(platform, "startup")
    assert {event["component"].split()[0] for event in started} >= {"worker", "scheduler"}
    for event in started:
        assert event["component"].endswith(f"{event['host']}:{event['pid']}") or event["component"] == "web"
    programs = [p for p in processes("127.0.0.1", 0, workers=1) if p.name in {"scheduler", "worker"}]
    running = [subprocess.Popen(program.command, cwd=ROOT, env=platform.environment) for program in programs]
    pids = {process.pid for process in running}
    wait_until(lambda: pids <= {event["pid"] for event in of_processes(platform, "startup")}, "Their start")
    for process in running:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(60) for process in running] == [0, 0]
    ended = [event for event in of_processes(platform, "shutdown") if event["pid"] in pids]
    assert sorted(event["component"].split()[0] for event in ended) == ["scheduler", "worker"]


def test_a_process_starts_and_stops_though_the_database_is_away() -> None:
    words = (
        "import django; django.setup(); from events.bus import system_events as s;"
        " s.started('x'); s.stopped('x'); print('well')"
    )
    environment = os.environ | {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1",
        "DJANGO_SETTINGS_MODULE": "workflow_platform.settings",
    }
    command = [sys.executable, "-c", words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout == "well\n"


# --- health -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def worker(settings: Any) -> Worker:
    """A worker that RQ knows of, on a Redis database of the test's own."""
    settings.REDIS_URL = os.environ["REDIS_URL"].rsplit("/", 1)[0] + "/9"

    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    return Worker(["default"], connection=client)


@pytest.mark.django_db
def test_health_is_told_once_a_minute_and_at_once_when_it_changes(worker: Worker, settings: Any) -> None:
    report, another = HealthReport(), HealthReport()
    for each in (report, another, report):
        each.look()
    assert [event["message"] for event in told("health_check")] == ["Database and Redis respond; no worker is running."]
    worker.register_birth()
    for each in (report, another):
        each.look()
    url, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    for each in (report, another):
        each.look()
    settings.REDIS_URL = url
    report.database_is_away()
    report.look()
    figures = [(event["figures"]["redis"], event["figures"]["workers"]) for event in told("health_check")]
    assert figures == [(1, 0), (1, 1), (0, 0), (1, 1)]
    assert "The database did not respond for 0 s." in told("health_check")[-1]["message"]
    HealthReport(every=timedelta(0)).look()  # a minute later
    assert len(told("health_check")) == 5


# --- queues -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_is_queued_is_told_with_its_reasons_until_nothing_is(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_reports, "REPORTED_AFTER_SECONDS", 0.0)
    settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS, settings.PERF_MAX_CONCURRENT_EXECUTIONS = 4, 100
    before = timezone.now()
    report, another = QueueReport(), QueueReport()
    report.look()
    assert told("queue_status") == []  # nothing is queued
    start(workflow_in("one", concurrency={"limit": 1}), 3)
    start(workflow_in("one", concurrency={"limit": 1, "key": "{{ $json.k }}"}), 3, input={"k": 1})
    start(workflow_in("one", rate_limit={"count": 1, "seconds": 60}), 3)
    start(workflow_in("two"), 6)
    for each in (report, another, report):
        each.look()
    (first,) = told("queue_status")
    figures = first["figures"]
    assert 0 <= figures.pop("oldest_seconds") <= (timezone.now() - before).total_seconds() + 0.1  # it is rounded
    assert figures == {
        "queued": 15,
        "admitted": 7,
        "workflow_concurrency": 2,
        "key_concurrency": 2,
        "rate_limit": 2,
        "workspace_concurrency": 2,
        **{f"jobs_{name}": figures[f"jobs_{name}"] for name in ("high", "default", "low")},
        "workers": figures["workers"],
        "places_per_worker": settings.WORKER_CONCURRENCY,
    }
    assert "15 executions are queued" in first["message"]
    Execution.objects.update(status="cancelled", ended_at="2026-11-24T00:00:00Z")
    for each in (report, another, report):
        each.look()
    assert [event["message"] for event in told("queue_status")[1:]] == ["The queue is empty again."]


# --- sweeps that fail -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_sweep_that_fails_is_told_of_now_and_then_and_when_it_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_scheduler, "REPORTED_AFTER_SECONDS", 0.0)
    errors: list[Exception] = [KeyError("bug"), KeyError("bug")]

    def work() -> None:
        if errors:
            raise errors.pop()

    sweep = Sweep("schedules", work)
    for _ in range(4):
        sweep.run("scheduler here")
    said = [event["message"] for event in told("error")]
    assert len(said) == 2
    assert "task schedules has failed for 0 s: KeyError: 'bug'" in said[0]
    assert "works again" in said[1]
    assert told("error")[1]["figures"]["failures"] == 2
