"""Liveness and readiness."""

from __future__ import annotations

from typing import Any

import psycopg
from django.conf import settings
from django.http import HttpRequest, JsonResponse

from events.log import partitions
from executions.admission.live_workers import Workers, live_workers
from workflow_platform.core.postgresql.server import GuardedConnection, server

ANSWER_SECONDS = 2


def healthz(request: HttpRequest) -> JsonResponse:
    """Respond that the process is alive."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Report the database, Redis and the live workers; 503 if one is missing or all workers starve. `warnings` need
    attention but do not make the installation unready."""
    live, warning = live_workers(), database_warning()
    workers = live or Workers(0)
    available = {"database": warning is not None, "redis": live is not None, "workers": workers.alive}
    ready = all(available.values()) and len(workers.starving) < workers.alive
    warnings = [warning] if warning else []
    warnings += [f"Worker {name} is overloaded: its executions are delayed." for name in workers.starving]
    body: dict[str, Any] = {"status": "ready" if ready else "not ready", **available}
    body |= {"starving": workers.starving} if workers.starving else {}
    body |= {"warnings": warnings} if warnings else {}
    return JsonResponse(body, status=200 if ready else 503)


def database_warning() -> str | None:
    """Return a warning about PostgreSQL, empty if there is none; None if it accepts no connection.

    It does not use the pool, whose connections may all be in use.
    """
    if not server().answers():
        return None
    try:
        with GuardedConnection.connect(settings.DATABASE_URL, connect_timeout=ANSWER_SECONDS) as connection:
            names = [row[0] for row in connection.execute(partitions.ATTACHED).fetchall()]
    except psycopg.Error:
        return None
    return partitions.warning_about(partitions.of_days(names))
