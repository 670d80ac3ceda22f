"""System checks: a bad setting fails at start, and the message names the variable."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

POSITIVE = (
    "PORT", "WS_MAX_CONNECTIONS", "WS_PING_INTERVAL", "WS_PONG_TIMEOUT", "PERF_MIN_WORKERS", "PERF_MAX_WORKERS",
    "PERF_MAX_CONCURRENT_EXECUTIONS", "PERF_MAX_EXECUTION_TIME_MS", "WORKER_CONCURRENCY", "LEASE_SECONDS",
    "HEARTBEAT_SECONDS", "MAX_RECOVERIES", "WORKFLOW_MAX_NODES", "NODE_OUTPUT_MAX_BYTES",
)  # fmt: skip
HOST = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", re.IGNORECASE)


@register
def check_environment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return an error for each variable that cannot be what the operator meant."""
    problems = [f"{name}: {said}" for name, said in settings.UNREADABLE_VARIABLES.items()]
    problems += [f"{name} must be greater than 0." for name in POSITIVE if getattr(settings, name) <= 0]
    if len(settings.SECRET_KEY) < 32 and not settings.DEBUG:
        problems.append("SECRET_KEY must have at least 32 characters (`make up` makes one).")
    if urlsplit(settings.DATABASE_URL).scheme not in {"postgresql", "postgres"}:
        problems.append("DATABASE_URL must begin with postgresql://; there is one database engine.")
    if urlsplit(settings.REDIS_URL).scheme not in {"redis", "rediss", "unix"}:
        problems.append("REDIS_URL must begin with redis://, rediss:// or unix://.")
    if not settings.WS_PATH.startswith("/"):
        problems.append("WS_PATH must begin with a slash.")
    if settings.PERF_MIN_WORKERS > settings.PERF_MAX_WORKERS:
        problems.append("PERF_MIN_WORKERS must not be greater than PERF_MAX_WORKERS.")
    if settings.HEARTBEAT_SECONDS * 2 > settings.LEASE_SECONDS:
        problems.append("HEARTBEAT_SECONDS must be at most half of LEASE_SECONDS.")
    problems += [
        f"OUTBOUND_ALLOW: {entry!r} is neither a network (10.0.0.0/8) nor a host name."
        for entry in settings.OUTBOUND_ALLOW
        if not _network(entry) and not HOST.match(entry)
    ]
    return [Error(said, id="platform.E001") for said in problems]


def _network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return True
