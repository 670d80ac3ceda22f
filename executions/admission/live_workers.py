"""The live workers, from the last heartbeats in RQ's records in Redis."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

import redis
from django.conf import settings
from rq import Worker
from rq.utils import utcparse

from workflow_platform.core.redis_server import patient_client

WORKER_TTL_SECONDS = 30
"""The `--worker-ttl` of workers. Idle workers send a heartbeat every 15 s, busy ones every 10 s."""
WORKER_SILENT = timedelta(seconds=WORKER_TTL_SECONDS + 5)
"""A worker without a heartbeat for this long counts as dead, even if Redis still lists it."""
_KEYS = f"{Worker.redis_worker_namespace_prefix}*"
STARVING_FIELD = "starving"
"""The field of a worker's record in Redis that has its name while the turns of its executions are late."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The number of live workers, and the names of overloaded ones."""

    alive: int
    starving: list[str] = field(default_factory=list)


@cache
def _client(_url: str) -> redis.Redis:
    """Return the client of this process for the configured address, which keeps its connection: the workers are counted
    every few seconds."""
    return patient_client()


def record_keys(client: redis.Redis) -> list[bytes]:
    """Return the keys of the workers' records. The keys of the jobs that they run begin like them, but are sets."""
    return list(client.scan_iter(_KEYS, count=1_000, _type="HASH"))


def count_live_workers() -> int | None:
    """Return the number of live workers; None if Redis does not respond."""
    workers = live_workers()
    return None if workers is None else workers.alive


def live_workers() -> Workers | None:
    """Return the live workers; None if Redis does not respond."""
    try:
        client = _client(settings.REDIS_URL)
        # Workers add themselves to RQ's list only at their start: after Redis was emptied the list stays empty,
        # while the workers continue to send heartbeats.
        keys = Worker.all_keys(connection=client) or record_keys(client)
        with client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hmget(key, "last_heartbeat", "death", STARVING_FIELD)
            records = pipeline.execute()
    except redis.RedisError:
        return None
    since = datetime.now(UTC) - WORKER_SILENT
    # A stopped worker is no longer listed, while its key stays for a minute.
    live = [starving for beat, death, starving in records if beat and not death and utcparse(beat.decode()) > since]
    return Workers(len(live), sorted(starving.decode() for starving in live if starving))
