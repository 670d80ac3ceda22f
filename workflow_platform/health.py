"""Liveness and readiness."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import redis
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from rq import Worker
from rq.utils import utcparse

from events import partitions
from workflow_platform.postgresql.server import Connection, server
from workflow_platform.redis_server import patient_client

WORKER_TTL_SECONDS = 30
"""What workers are started with (`--worker-ttl`): an idle one tells that it lives every 15 s, a full one every 10 s."""
WORKER_SILENT = timedelta(seconds=WORKER_TTL_SECONDS + 5)
"""A worker that said nothing for so long is taken for dead, though Redis still lists it."""
WORKER_KEYS = f"{Worker.redis_worker_namespace_prefix}*"
ANSWER_SECONDS = 2


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Database, Redis and at least one live worker; 503 if any of them is missing. `warnings` need looking after."""
    workers, warning = count_live_workers(), database_warning()
    found = {"database": warning is not None, "redis": workers is not None, "workers": workers or 0}
    ready = all(found.values())
    said = {"status": "ready" if ready else "not ready", **found} | ({"warnings": [warning]} if warning else {})
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


def count_live_workers() -> int | None:
    """Return how many workers were heard of lately; None if Redis does not answer."""
    try:
        with patient_client() as client:
            # RQ's list of workers is written once, at their start: after Redis lost everything it is empty for good,
            # while each worker goes on telling that it lives.
            keys = Worker.all_keys(connection=client) or list(client.scan_iter(WORKER_KEYS, count=1_000))
            with client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.hmget(key, "last_heartbeat", "death")
                heard = pipeline.execute()
    except redis.RedisError:
        return None
    since = datetime.now(UTC) - WORKER_SILENT
    # One that said goodbye is listed no more, and its key stays for a minute.
    return sum(1 for said, death in heard if said and not death and utcparse(said.decode()) > since)
