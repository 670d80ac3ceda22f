"""Readiness stays true while nothing happens: an idle worker is heard of before it counts as silent."""

from __future__ import annotations

import psutil
import redis
from rq.utils import now, utcformat, utcparse

from executions.admission.live_workers import WORKER_SILENT, count_live_workers, record_keys
from tests.conftest import Platform
from workflow_platform.core.redis_server import patient_client
from workflow_platform.installation.embedded import wait_until


def last_heartbeats(platform: Platform) -> dict[bytes, float]:
    """Return when each worker that runs was last heard of. Redis still lists those that other tests have killed."""
    with redis.Redis.from_url(platform.environment["REDIS_URL"]) as client:
        # Other tests have emptied Redis: its list of workers stays empty.
        found = {key: client.hmget(key, "last_heartbeat", "pid") for key in record_keys(client)}
    return {
        key: utcparse(heard.decode()).timestamp() for key, (heard, pid) in found.items() if heard and _runs(int(pid))
    }


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_an_idle_worker_is_heard_of_again_before_it_counts_as_silent(platform: Platform) -> None:
    wait_until(lambda: len(last_heartbeats(platform)) >= 2, "Both workers")
    before = last_heartbeats(platform)
    wait_until(
        lambda: all(last_heartbeats(platform)[key] > heard for key, heard in before.items()),
        "Every worker's next heartbeat",
        seconds=WORKER_SILENT.total_seconds(),
    )
    assert platform.request("GET", "/readyz").status_code == 200


def test_workers_are_counted_after_redis_was_emptied_while_they_run_jobs() -> None:
    with patient_client() as client:
        client.delete("rq:workers")
        client.hset("rq:worker:busy", "last_heartbeat", utcformat(now()))
        client.sadd("rq:worker:busy:executions", "job:1")
        try:
            assert count_live_workers() == 1
        finally:
            client.delete("rq:worker:busy", "rq:worker:busy:executions")
