"""Readiness stays true while nothing happens: an idle worker is heard of before it counts as silent."""

from __future__ import annotations

import psutil
import redis
from rq.utils import utcparse

from executions.admission.live_workers import WORKER_KEYS, WORKER_SILENT
from tests.conftest import Platform
from workflow_platform.installation.embedded import wait_until


def last_heartbeats(platform: Platform) -> dict[bytes, float]:
    """Return when each worker that runs was last heard of. Redis still lists those that other tests have killed."""
    with redis.Redis.from_url(platform.environment["REDIS_URL"]) as client:
        keys = list(client.scan_iter(WORKER_KEYS))  # other tests have emptied Redis: its list of workers stays empty
        found = {key: client.hmget(key, "last_heartbeat", "pid") for key in keys}
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
