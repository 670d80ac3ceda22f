"""System checks: a bad setting fails at start, and the message names the variable."""

from __future__ import annotations

import ipaddress
import re
from email.utils import parseaddr
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from workflow_platform.core.outbound.addresses import OutboundRefused, parse_url
from workflow_platform.core.requests.hooks_host import host_name
from workflow_platform.core.telemetry import exporting, protobuf, sentry

DAYS = (
    "EVENT_HISTORY_RETENTION_DAYS", "TEST_RETENTION_DAYS", "WEBHOOK_HISTORY_RETENTION_DAYS", "ROLLUP_MINUTES_DAYS",
    "ROLLUP_RETENTION_DAYS",
)  # fmt: skip
POSITIVE = (
    "PORT", "WS_MAX_CONNECTIONS", "WS_PING_INTERVAL", "WS_PONG_TIMEOUT", "PERF_MIN_WORKERS", "PERF_MAX_WORKERS",
    "PERF_MAX_CONCURRENT_EXECUTIONS", "PERF_MAX_EXECUTION_TIME_MS", "WORKER_CONCURRENCY", "LEASE_SECONDS",
    "HEARTBEAT_SECONDS", "MAX_RECOVERIES", "WORKSPACE_MAX_CONCURRENT_EXECUTIONS", "NODE_THREADS",
    "WORKER_GRACE_SECONDS", "MAX_WORKFLOW_DEPTH", "WORKFLOW_MAX_NODES", "WORKFLOW_MAX_EDGES",
    "NODE_OUTPUT_MAX_BYTES", "HOOK_FILES_MAX_BYTES",
    "BINARY_MAX_BYTES", "EXECUTION_BINARY_MAX_BYTES", "EXECUTION_BINARY_MAX_COUNT",
    "EXECUTION_OUTPUT_MAX_BYTES", "WORKER_IDLE_SECONDS", "PERF_MAX_MEMORY_MB", "PERF_MAX_CPU_PERCENT",
    "PRESSURE_SAMPLE_SECONDS", "PERF_MAX_TURN_DELAY_MS", "REQUEST_BODIES_MAX_BYTES",
    "REQUEST_PROGRESS_SECONDS", "DATABASE_TIMEOUT_SECONDS", "WORKER_DATABASE_TIMEOUT_SECONDS", "REDIS_TIMEOUT_SECONDS",
    "PASSWORD_HASHES_AT_ONCE",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "EMAIL_TIMEOUT", "CODE_PROCESSES", "CODE_MEMORY_MB", "NODE_CPU_SECONDS", "NODE_MEMORY_MB",
    "CACHE_MAX_SIZE", "CACHE_TTL_MS", "CACHE_MAX_VALUE_BYTES",
    *DAYS,
    "REPLAY_MAX_EVENTS", "REPLAY_MAX_PER_USER", "REPLAY_KEEP_HOURS",
    "WEBHOOK_MAX_ATTEMPTS", "WEBHOOK_MAX_DELAY", "WEBHOOK_BACKOFF_MULTIPLIER", "WEBHOOK_THREADS",
    "WEBHOOK_RESPONSE_MAX_BYTES", "WEBHOOK_BREAKER_FAILURES", "WEBHOOK_DISABLE_AFTER_HOURS",
)  # fmt: skip
NOT_NEGATIVE = (
    "EVENT_HISTORY_MAX_SIZE", "WEBHOOK_HISTORY_MAX_ATTEMPTS", "STREAM_CLOSE_SECONDS", "HOOK_REQUESTS_PER_SECOND",
    "HOOK_REQUESTS_PER_SECOND_AND_ADDRESS", "WEBHOOK_INITIAL_DELAY", "WORKER_NICE",
    "PASSWORD_HASHES_QUEUED", "HSTS_SECONDS",
)  # fmt: skip
MOST_DAYS = 36_500
LOWEST_PRIORITY = 19
SECRET_KEY_LENGTH = 32
HOST = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", re.IGNORECASE)
HOST_AND_PORT = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$", re.IGNORECASE | re.ASCII)
PATH = re.compile(r"^(/[\w.~-]+)+/?$", re.ASCII)


@register
def check_environment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return an error for each invalid variable."""
    errors = [f"{name}: {why}" for name, why in settings.UNREADABLE_VARIABLES.items()]
    errors += [*_numbers(), *_addresses(), *_email(), *_keys(), *_traces()]
    if len(settings.SECRET_KEY) < SECRET_KEY_LENGTH and not settings.DEBUG:
        errors.append(f"SECRET_KEY must have at least {SECRET_KEY_LENGTH} characters (`make up` generates one).")
    return [Error(message, id="platform.E001") for message in errors]


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return a warning for each setting that a public installation should have."""
    if settings.HOOKS_HOST:
        return []
    message = "HOOKS_HOST is not set: responses of workflows to webhooks have the same origin as the pages."
    hint = "Set HOOKS_HOST to a separate host, such as hooks.example.net, that leads to the same processes."
    return [Warning(message, hint=hint, id="platform.W001")]


def _numbers() -> list[str]:
    # `not >`, so that nan does not pass.
    errors = [f"{name} must be greater than 0." for name in POSITIVE if not getattr(settings, name) > 0]
    errors += [f"{name} must not be negative." for name in NOT_NEGATIVE if not 0 <= getattr(settings, name) < 10**15]
    for name in DAYS:
        if getattr(settings, name) > MOST_DAYS:
            errors.append(f"{name} must be at most {MOST_DAYS}.")
    if settings.PORT > 65_535:
        errors.append("PORT must be at most 65535.")
    if settings.WORKER_NICE > LOWEST_PRIORITY:
        errors.append(f"WORKER_NICE must be at most {LOWEST_PRIORITY}.")
    if settings.PERF_MIN_WORKERS > settings.PERF_MAX_WORKERS:
        errors.append("PERF_MIN_WORKERS must not be greater than PERF_MAX_WORKERS.")
    if settings.HEARTBEAT_SECONDS * 2 > settings.LEASE_SECONDS:
        errors.append("HEARTBEAT_SECONDS must be at most half of LEASE_SECONDS.")
    return errors


def _keys() -> list[str]:
    how = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
    return [
        f"CREDENTIAL_KEYS: entry {number} is not a key; `{how}` generates one."
        for number, key in enumerate(settings.CREDENTIAL_KEYS, 1)
        if not _is_key(key)
    ]


def _is_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def _addresses() -> list[str]:
    errors = []
    database, redis = urlsplit(settings.DATABASE_URL), urlsplit(settings.REDIS_URL)
    if database.scheme not in {"postgresql", "postgres"}:
        errors.append("DATABASE_URL must begin with postgresql://; only PostgreSQL is supported.")
    elif not database.path.strip("/"):
        errors.append("DATABASE_URL has no database name; use postgresql://user:password@host:5432/name.")
    if redis.scheme not in {"redis", "rediss", "unix"}:
        errors.append("REDIS_URL must begin with redis://, rediss:// or unix://.")
    if settings.REDIS_PUBSUB_URL and urlsplit(settings.REDIS_PUBSUB_URL).scheme not in {"redis", "rediss", "unix"}:
        errors.append("REDIS_PUBSUB_URL must begin with redis://, rediss:// or unix://.")
    if settings.REDIS_SENTINELS:
        if not settings.REDIS_SENTINEL_MASTER:
            errors.append("REDIS_SENTINEL_MASTER must name the master that the Sentinels watch, such as mymaster.")
        if redis.scheme == "unix" or not (redis.path.strip("/") or "0").isdecimal():
            errors.append(
                "With REDIS_SENTINELS, REDIS_URL gives only user, password and database, such as redis://:password@any/0."
            )
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme not in {"http", "https"} or not public.hostname or public.query or public.fragment:
        errors.append(
            "PUBLIC_URL must be the URL at which others reach the platform, such as https://flows.example.com."
        )
    errors += _hooks_host(public.hostname or "")
    if not PATH.match(settings.WS_PATH):
        errors.append("WS_PATH must be a path that begins with a slash, such as /ws.")
    errors += [
        f"OUTBOUND_ALLOW: {entry!r} is neither a network (10.0.0.0/8) nor a host name."
        for entry in settings.OUTBOUND_ALLOW
        if not _network(entry) and ("/" in entry or not HOST.match(entry))
    ]
    errors += [
        f"{name}: {entry!r} is neither an address (10.1.2.3) nor a network (10.0.0.0/8)."
        for name in ("TRUSTED_PROXIES", "METRICS_ALLOW")
        for entry in getattr(settings, name)
        if not _network(entry.strip())
    ]
    return errors


def _hooks_host(public: str) -> list[str]:
    host, errors = settings.HOOKS_HOST, []
    if host and not HOST_AND_PORT.match(host):
        errors.append(f"HOOKS_HOST: {host!r} is not a host name; give it without a scheme or path: hooks.example.net.")
    elif host and host_name(host) == host_name(public):
        errors.append(f"HOOKS_HOST must not be the host of PUBLIC_URL ({public}): cookies do not tell ports apart.")
    return errors


def _email() -> list[str]:
    errors = []
    if settings.EMAIL_URL:
        url = urlsplit(settings.EMAIL_URL)
        query = parse_qs(url.query, keep_blank_values=True)
        if url.scheme not in {"smtp", "smtps"} or not url.hostname or url.path.strip("/"):
            errors.append("EMAIL_URL must be smtp://user:password@host:587 or smtps://user:password@host:465.")
        if set(query) - {"starttls"} or query.get("starttls", ["true"]) not in (["true"], ["false"]):
            errors.append("EMAIL_URL: the only option is starttls=true or starttls=false.")
        if (url.username is None) != (url.password is None):
            errors.append("EMAIL_URL needs both a username and a password, or neither.")
    if settings.DEFAULT_FROM_EMAIL and not _is_address(settings.DEFAULT_FROM_EMAIL):
        errors.append("EMAIL_FROM must be an address: robot@example.com or Robot <robot@example.com>.")
    return errors


def _traces() -> list[str]:
    errors = []
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        if url := getattr(settings, name):
            try:
                parse_url(url, any_port=True)
            except OutboundRefused as error:
                errors.append(f"{name}: {error}")
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES"):
        try:
            exporting.pairs(getattr(settings, name))
        except ValueError as error:
            errors.append(f"{name}: {error} Write name=value,name=value; a comma in a value is %2C.")
    if settings.OTEL_EXPORTER_OTLP_PROTOCOL == "http/protobuf" and exporting.is_on() and not protobuf.is_installed():
        errors.append(f"OTEL_EXPORTER_OTLP_PROTOCOL: {protobuf.MISSING}")
    if settings.SENTRY_DSN and not sentry.is_installed():
        errors.append(f"SENTRY_DSN: {sentry.MISSING}")
    if not 0 <= settings.OTEL_TRACES_SAMPLER_ARG <= 1:
        errors.append("OTEL_TRACES_SAMPLER_ARG must be from 0 to 1.")
    return errors


def _is_address(text: str) -> bool:
    try:
        validate_email(parseaddr(text)[1])
    except ValidationError:
        return False
    return text.isprintable()


def _network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return True
