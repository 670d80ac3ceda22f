"""Liveness and readiness."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from rq import Worker
from rq.utils import utcparse

from events.log import partitions
from workflow_platform.core.postgresql.server import Connection, server
from workflow_platform.core.redis_server import patient_client

WORKER_TTL_SECONDS = 30
"""What workers are started with (`--worker-ttl`): an idle one tells that it lives every 15 s, a full one every 10 s."""
WORKER_SILENT = timedelta(seconds=WORKER_TTL_SECONDS + 5)
"""A worker that said nothing for so long is taken for dead, though Redis still lists it."""
WORKER_KEYS = f"{Worker.redis_worker_namespace_prefix}*"
STARVING_FIELD = "starving"
"""Of a worker's record in Redis: its name while the turns of its executions come late."""
ANSWER_SECONDS = 2


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Database, Redis and at least one live worker that does not starve; 503 if any of them is missing. `warnings` need
    looking after."""
    live, warning = live_workers(), database_warning()
    workers = live or Workers(0)
    found = {"database": warning is not None, "redis": live is not None, "workers": workers.alive}
    ready = all(found.values()) and len(workers.starving) < workers.alive
    warnings = [warning] if warning else []
    warnings += [f"The worker {name} starves: turns of its executions come late." for name in workers.starving]
    said: dict[str, Any] = {"status": "ready" if ready else "not ready", **found}
    said |= {"starving": workers.starving} if workers.starving else {}
    said |= {"warnings": warnings} if warnings else {}
    return JsonResponse(said, status=200 if ready else 503)


def database_warning() -> str | None:
    """Return what is to be looked after in PostgreSQL, empty if nothing is; None if it takes no connection.

    Not from the pool, whose connections may all be in use.
    """
    if not server().answers():
        return None
    try:
        with Connection.connect(settings.DATABASE_URL, connect_timeout=ANSWER_SECONDS) as connection:
            names = [row[0] for row in connection.execute(partitions.ATTACHED).fetchall()]
    except psycopg.Error:
        return None
    return partitions.warning_about(partitions.of_days(names))


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
