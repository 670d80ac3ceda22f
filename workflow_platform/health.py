"""Liveness and readiness."""

from __future__ import annotations

import django_rq
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError
from rq import Worker


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Database, Redis and at least one live worker; 503 if any of them is missing."""
    found: dict[str, bool | int] = {"database": False, "redis": False, "workers": 0}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found["database"] = True
    except DatabaseError:
        connection.close()
    try:
        found["workers"] = Worker.count(connection=django_rq.get_connection("default"))
        found["redis"] = True
    except RedisError:
        pass
    ready = all(found.values())
    return JsonResponse({"status": "ready" if ready else "not ready"} | found, status=200 if ready else 503)
