"""Which workers live: RQ's records in Redis, by their last heartbeat."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import redis
from rq import Worker
from rq.utils import utcparse

from workflow_platform.core.redis_server import patient_client

WORKER_TTL_SECONDS = 30
"""What workers are started with (`--worker-ttl`): an idle one tells that it lives every 15 s, a full one every 10 s."""
WORKER_SILENT = timedelta(seconds=WORKER_TTL_SECONDS + 5)
"""A worker that said nothing for so long is taken for dead, though Redis still lists it."""
WORKER_KEYS = f"{Worker.redis_worker_namespace_prefix}*"
STARVING_FIELD = "starving"
"""Of a worker's record in Redis: its name while the turns of its executions come late."""


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers were heard of lately, and the names of those that starve."""

    alive: int
    starving: list[str] = field(default_factory=list)


def count_live_workers() -> int | None:
    """Return how many workers were heard of lately; None if Redis does not answer."""
    found = live_workers()
    return None if found is None else found.alive


def live_workers() -> Workers | None:
    """Return the workers that were heard of lately; None if Redis does not answer."""
    try:
        with patient_client() as client:
            # RQ's list of workers is written once, at their start: after Redis lost everything it is empty for good,
            # while each worker goes on telling that it lives.
            keys = Worker.all_keys(connection=client) or list(client.scan_iter(WORKER_KEYS, count=1_000))
            with client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.hmget(key, "last_heartbeat", "death", STARVING_FIELD)
                heard = pipeline.execute()
    except redis.RedisError:
        return None
    since = datetime.now(UTC) - WORKER_SILENT
    # One that said goodbye is listed no more, and its key stays for a minute.
    live = [starving for said, death, starving in heard if said and not death and utcparse(said.decode()) > since]
    return Workers(len(live), sorted(starving.decode() for starving in live if starving))
