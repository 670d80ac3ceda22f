"""All settings, from environment variables. docs/settings.md lists every one; `checks.py` reports invalid values."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

import django_stubs_ext
from django.conf import global_settings
from environs import Env, EnvError
from whitenoise.compress import Compressor

from workflow_platform.core import logs
from workflow_platform.core.redis_server import RedisServer, parse_sentinels
from workflow_platform.core.telemetry import exporting

django_stubs_ext.monkeypatch()  # admin classes and querysets take type arguments

env = Env()
UNREADABLE_VARIABLES: dict[str, str] = {}
"""Variables that could not be read; `checks.py` reports them, and their defaults are used meanwhile."""

T = TypeVar("T")


def _read(reader: Callable[[str, T], T], name: str, default: T) -> T:
    try:
        return reader(name, default)
    except EnvError as error:
        UNREADABLE_VARIABLES[name] = str(error)
        return default


def _read_url(name: str, default: str) -> str:
    url = env.str(name, "") or default
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        UNREADABLE_VARIABLES[name] = f"is not a URL: {error}."
        return default
    return url


def _read_zone(name: str, default: str) -> str:
    zone = env.str(name, default)
    try:
        return ZoneInfo(zone).key
    except (KeyError, OSError, ValueError):
        UNREADABLE_VARIABLES[name] = f"{zone!r} is not the IANA name of a time zone, such as Europe/Berlin."
        return default


def _read_sentinels(name: str) -> tuple[tuple[str, int], ...]:
    try:
        return parse_sentinels(env.list(name, []))
    except ValueError as error:
        UNREADABLE_VARIABLES[name] = str(error)
        return ()


def _read_ports(name: str, default: list[str]) -> list[str]:
    ports = [entry.strip() for entry in env.list(name, default)]
    for entry in ports:
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", entry, re.ASCII)
        if match is None or not 0 < int(match[1]) <= int(match[2] or match[1]) <= 65_535:
            UNREADABLE_VARIABLES[name] = f"{entry!r} is neither a port nor a range of them, such as 443,8000-8999."
            return default
    return ports


def _read_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    value = env.str(name, default).strip()
    for choice in choices:
        if value.lower() == choice.lower():
            return choice
    UNREADABLE_VARIABLES[name] = f"{value!r} is not valid; use one of {', '.join(choices)}."
    return default


BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("DATA_DIR", str(BASE_DIR / "var"))).resolve()
HOST = env.str("HOST", "127.0.0.1")
PORT = _read(env.int, "PORT", 8000)
DEBUG = _read(env.bool, "DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
PUBLIC_URL = _read_url("PUBLIC_URL", f"http://{HOST}:{PORT}").rstrip("/")
HOOKS_HOST = env.str("HOOKS_HOST", "").strip()
DATABASE_URL = _read_url("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS_URL = _read_url("REDIS_URL", "redis://127.0.0.1:6379/0")
REDIS_SENTINELS = _read_sentinels("REDIS_SENTINELS")
REDIS_SENTINEL_MASTER = env.str("REDIS_SENTINEL_MASTER", "mymaster")
REDIS_SENTINEL_PASSWORD = env.str("REDIS_SENTINEL_PASSWORD", "")
REDIS_PUBSUB_URL = _read_url("REDIS_PUBSUB_URL", "")

INSTALLED_APPS = [
    # Its `runserver` serves WebSockets. In other commands and workers it would only load the web server.
    *(["daphne"] if "runserver" in sys.argv else []),
    "workflow_platform.admin_site.AdminSiteOnDemand",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "workflow_platform.static_files.CollectedStaticFiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_rq",
    "workflow_platform",
    "workflow_platform.core.accounts",
    "workflow_platform.core.metrics",
    "events",
    "webhooks",
    "executions",
]
AUTH_USER_MODEL = "accounts.User"
ROOT_URLCONF = "workflow_platform.urls"
ASGI_APPLICATION = "workflow_platform.asgi.application"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "workflow_platform.static_files.ServedStaticFiles",
    "workflow_platform.core.requests.page_headers.PageHeadersMiddleware",
    "workflow_platform.core.requests.compression.CompressionMiddleware",
    "workflow_platform.core.api.problems.BodyLimitMiddleware",
    "workflow_platform.core.requests.address_check.AddressCheckMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "workflow_platform.core.requests.probes.HostCheckMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "workflow_platform.core.accounts.browser_sessions.BrowserSessionMiddleware",
    "workflow_platform.core.accounts.login_middleware.LoginMiddleware",
    "workflow_platform.core.translations.languages.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "workflow_platform.core.api.checked_queries.CheckedQueries",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "workflow_platform.core.accounts.workspace_pages.switcher",
                "executions.pages.approvals.count",
                "executions.pages.notifications.bell",
            ]
        },
    }
]

# --- Database: PostgreSQL only ---------------------------------------------------------------------------------------
_database = urlsplit(DATABASE_URL)
_database_options = dict(parse_qsl(_database.query))  # libpq's own: sslmode, application_name, …
DATABASES = {
    "default": {
        "ENGINE": "workflow_platform.core.postgresql",
        "NAME": unquote(_database.path.lstrip("/")),
        "USER": unquote(_database.username or ""),
        "PASSWORD": unquote(_database.password or ""),
        "HOST": unquote(_database.hostname or "") or _database_options.pop("host", ""),
        "PORT": str(_database.port or ""),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,  # ours checks what the pool gives, see `postgresql.base`
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 24, "timeout": 20}, **_database_options},
    }
}
DATABASE_TIMEOUT_SECONDS = _read(env.float, "DATABASE_TIMEOUT_SECONDS", 1.5)
WORKER_DATABASE_TIMEOUT_SECONDS = _read(env.float, "WORKER_DATABASE_TIMEOUT_SECONDS", 10.0)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: queues, channel layer, cache; may lose everything at any moment ------------------------------------------
_redis = RedisServer(REDIS_URL, REDIS_SENTINELS, REDIS_SENTINEL_MASTER, REDIS_SENTINEL_PASSWORD)
_pubsub = RedisServer(REDIS_PUBSUB_URL) if REDIS_PUBSUB_URL else _redis
REDIS_TIMEOUT_SECONDS = _read(env.float, "REDIS_TIMEOUT_SECONDS", 1.0)
RQ_QUEUES = {name: {**_redis.queue, "DEFAULT_TIMEOUT": -1} for name in ("high", "default", "low")}
RQ_SHOW_ADMIN_LINK = True
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [_pubsub.channel_layer_host], "prefix": "wfp"},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": _redis.cache_pool_options,
    }
}

# --- People and tokens -----------------------------------------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["workflow_platform.accounts.passwords.PasswordBackend"]  # stored in sessions
PASSWORD_HASHERS = [
    "workflow_platform.core.accounts.hashing.QueuedPBKDF2PasswordHasher",
    *global_settings.PASSWORD_HASHERS[1:],  # for hashes that came from elsewhere; none is made with these
]
PASSWORD_HASHES_AT_ONCE = _read(env.int, "PASSWORD_HASHES_AT_ONCE", max(1, (os.cpu_count() or 1) // 2))
PASSWORD_HASHES_QUEUED = _read(env.int, "PASSWORD_HASHES_QUEUED", 8)
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # scripts take the CSRF token from the page
SESSION_COOKIE_SAMESITE = "Lax"
HTTPS = _read(env.bool, "HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
HSTS_SECONDS = _read(env.int, "HSTS_SECONDS", 31_536_000)
SECURE_HSTS_SECONDS = HSTS_SECONDS if HTTPS else 0
# Both affect other hosts of the domain and cannot be revoked for a long time, so the owner of the domain decides.
SECURE_HSTS_INCLUDE_SUBDOMAINS = _read(env.bool, "HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = _read(env.bool, "HSTS_PRELOAD", False)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # they ask for these two
# Load balancers and Prometheus send requests inside the network without TLS (`core.requests.probes`).
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "workflow_platform.core.api.problems.csrf_failure"
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
INVITED_SIGN_UP = _read(env.bool, "INVITED_SIGN_UP", True)
METRICS_ALLOW: list[str] = env.list("METRICS_ALLOW", [])
API_DOCS_PUBLIC = _read(env.bool, "API_DOCS_PUBLIC", True)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "workflow_platform.core.accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "workflow_platform.core.accounts.token_scopes.HasTokenScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["workflow_platform.core.api.json_bodies.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "workflow_platform.core.api.openapi.OperationSchema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "workflow_platform.core.api.negotiation.Negotiation",
    "DEFAULT_PAGINATION_CLASS": "workflow_platform.core.api.pagination.NewestFirst",
    "EXCEPTION_HANDLER": "workflow_platform.core.api.problems.exception_handler",
    "PAGE_SIZE": 50,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=30),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "UPDATE_LAST_LOGIN": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Workflow platform",
    "VERSION": "0.1.0",
    "DESCRIPTION": "Durable workflows whose every step can be watched live, in order and without gaps.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [f"rest_framework.permissions.{'AllowAny' if API_DOCS_PUBLIC else 'IsAuthenticated'}"],
    # An anchor in each heading would be a link inside of a button, which no keyboard or screen reader tells apart.
    "SWAGGER_UI_SETTINGS": {"deepLinking": False},
    "COMPONENT_SPLIT_REQUEST": True,  # requests and responses differ: defaults, secrets, read-only fields
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "workflow_platform.core.api.openapi.describe_problems",
    ],
    # Enums of several components, which need a name.
    "ENUM_NAME_OVERRIDES": {
        "ExecutionStatusEnum": "executions.models.execution.STATUS_CHOICES",
        "CredentialTypeEnum": "executions.models.credential.TYPE_CHOICES",
        "ReplayTargetEnum": "events.replay.models.ReplayTarget",
        "DeliveryStatusEnum": "webhooks.models.DeliveryStatus",
        "DeliveryPriorityEnum": "webhooks.api.delivery_serializers.PRIORITIES",
        "PriorityEnum": "executions.models.Priority",
        "ModeEnum": "executions.models.Mode",
        "EventModeEnum": ["test", "debug"],
        "EmailChoiceEnum": "executions.models.EmailChoice",
        "WaitReasonEnum": "executions.admission.explanation.REASONS",
        "InsightStatusEnum": "executions.models.InsightStatus",
        "BulkKindEnum": "executions.models.BulkKind",
        "OperationStateEnum": "webhooks.models.OperationState",
        "DeliveryMethodEnum": "webhooks.api.delivery_serializers.METHODS",
        "EndpointMethodEnum": "webhooks.api.endpoint_serializers.METHODS",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Static files ----------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {"staticfiles": {"BACKEND": "workflow_platform.static_files.StoredStaticFiles"}}
WHITENOISE_ALLOW_ALL_ORIGINS = False  # only pages from here load them: a header less on each file
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = [*Compressor.SKIP_COMPRESS_EXTENSIONS, "map"]  # maps are for developers only
TIME_ZONE = "UTC"
USE_TZ = True

# --- Languages of the pages (docs/translations.md) -------------------------------------------------------------------
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "workflow_platform" / "locale"]
FORMAT_MODULE_PATH = ["workflow_platform.locale.formats"]

# --- Limits on what comes in -----------------------------------------------------------------------------------------
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
REQUEST_BODIES_MAX_BYTES = _read(env.int, "REQUEST_BODIES_MAX_BYTES", 256 * 1024 * 1024)
REQUEST_PROGRESS_SECONDS = _read(env.float, "REQUEST_PROGRESS_SECONDS", 20.0)
WORKFLOW_MAX_NODES = _read(env.int, "WORKFLOW_MAX_NODES", 1000)
WORKFLOW_MAX_EDGES = _read(env.int, "WORKFLOW_MAX_EDGES", 4 * WORKFLOW_MAX_NODES)
WORKFLOW_TIME_ZONE = _read_zone("WORKFLOW_TIME_ZONE", "UTC")
SEARCH_MAX_WORDS = _read(env.int, "SEARCH_MAX_WORDS", 2000)
STATIC_DATA_MAX_BYTES = _read(env.int, "STATIC_DATA_MAX_BYTES", 256 * 1024)
NODE_OUTPUT_MAX_BYTES = _read(env.int, "NODE_OUTPUT_MAX_BYTES", 16 * 1024 * 1024)
EXECUTION_OUTPUT_MAX_BYTES = _read(env.int, "EXECUTION_OUTPUT_MAX_BYTES", 256 * 1024 * 1024)
HOOK_FILES_MAX_BYTES = _read(env.int, "HOOK_FILES_MAX_BYTES", 1024 * 1024 * 1024)
BINARY_MAX_BYTES = _read(env.int, "BINARY_MAX_BYTES", 100 * 1024 * 1024)
EXECUTION_BINARY_MAX_BYTES = _read(env.int, "EXECUTION_BINARY_MAX_BYTES", 512 * 1024 * 1024)
EXECUTION_BINARY_MAX_COUNT = _read(env.int, "EXECUTION_BINARY_MAX_COUNT", 10_000)

# --- Result cache ----------------------------------------------------------------------------------------------------
CACHE_ENABLED = _read(env.bool, "CACHE_ENABLED", True)
CACHE_MAX_SIZE = _read(env.int, "CACHE_MAX_SIZE", 1000)
CACHE_TTL_MS = _read(env.int, "CACHE_TTL_MS", 3_600_000)
CACHE_MAX_VALUE_BYTES = _read(env.int, "CACHE_MAX_VALUE_BYTES", 256 * 1024)

# --- What may be called ----------------------------------------------------------------------------------------------
OUTBOUND_ALLOW: list[str] = env.list("OUTBOUND_ALLOW", [])
OUTBOUND_PORTS = _read_ports("OUTBOUND_PORTS", ["80", "443", "1024-65535"])

# --- Email (`send_email`): smtp:// has STARTTLS unless ?starttls=false, smtps:// TLS from the start -----------------
EMAIL_URL = _read_url("EMAIL_URL", "")
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", "")
EMAIL_TIMEOUT = _read(env.float, "EMAIL_TIMEOUT", 30.0)
_email = urlsplit(EMAIL_URL)
EMAIL_HOST = _email.hostname or ""
EMAIL_USE_SSL = _email.scheme == "smtps"
EMAIL_USE_TLS = _email.scheme == "smtp" and dict(parse_qsl(_email.query)).get("starttls", "true") != "false"
EMAIL_PORT = _email.port or (465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
EMAIL_HOST_USER = unquote(_email.username or "")
EMAIL_HOST_PASSWORD = unquote(_email.password or "")

# --- Secrets at rest (`encryption`) ----------------------------------------------------------------------------------
_credential_keys: list[str] = env.list("CREDENTIAL_KEYS", [])
CREDENTIAL_KEYS = [key.strip() for key in _credential_keys if key.strip()]

# --- WebSockets (times in milliseconds) ------------------------------------------------------------------------------
WS_PATH = env.str("WS_PATH", "/ws")
WS_MAX_CONNECTIONS = _read(env.int, "WS_MAX_CONNECTIONS", 1000)
WS_PING_INTERVAL = _read(env.int, "WS_PING_INTERVAL", 30_000)
WS_PONG_TIMEOUT = _read(env.int, "WS_PONG_TIMEOUT", 5_000)
WS_MAX_CONNECTIONS_PER_USER = _read(env.int, "WS_MAX_CONNECTIONS_PER_USER", 200)
WS_MAX_SUBSCRIPTIONS = _read(env.int, "WS_MAX_SUBSCRIPTIONS", 1000)
WS_MAX_FRAME_BYTES = _read(env.int, "WS_MAX_FRAME_BYTES", 64 * 1024)
WS_MESSAGES_PER_SECOND = _read(env.float, "WS_MESSAGES_PER_SECOND", 50.0)
WS_MESSAGE_BURST = _read(env.int, "WS_MESSAGE_BURST", 1200)
WS_COMPRESSION = _read(env.bool, "WS_COMPRESSION", False)

# --- History of events -----------------------------------------------------------------------------------------------
EVENT_HISTORY_ENABLED = _read(env.bool, "EVENT_HISTORY_ENABLED", True)
EVENT_HISTORY_MAX_SIZE = _read(env.int, "EVENT_HISTORY_MAX_SIZE", 0)
EVENT_HISTORY_RETENTION_DAYS = _read(env.int, "EVENT_HISTORY_RETENTION_DAYS", 30)
TEST_RETENTION_DAYS = _read(env.int, "TEST_RETENTION_DAYS", 7)
ROLLUP_MINUTES_DAYS = _read(env.int, "ROLLUP_MINUTES_DAYS", 14)
ROLLUP_RETENTION_DAYS = _read(env.int, "ROLLUP_RETENTION_DAYS", 400)
STREAM_CLOSE_SECONDS = _read(env.float, "STREAM_CLOSE_SECONDS", 60.0)

# --- Engine ----------------------------------------------------------------------------------------------------------
PERF_MIN_WORKERS = _read(env.int, "PERF_MIN_WORKERS", 2)
PERF_MAX_WORKERS = _read(env.int, "PERF_MAX_WORKERS", 10)
PERF_MAX_MEMORY_MB = _read(env.int, "PERF_MAX_MEMORY_MB", 2048)
PERF_MAX_CPU_PERCENT = _read(env.float, "PERF_MAX_CPU_PERCENT", 80.0)
PERF_MAX_TURN_DELAY_MS = _read(env.float, "PERF_MAX_TURN_DELAY_MS", 1_000.0)
PRESSURE_SAMPLE_SECONDS = _read(env.float, "PRESSURE_SAMPLE_SECONDS", 1.0)
PERF_MAX_CONCURRENT_EXECUTIONS = _read(env.int, "PERF_MAX_CONCURRENT_EXECUTIONS", 100)
PERF_MAX_EXECUTION_TIME_MS = _read(env.int, "PERF_MAX_EXECUTION_TIME_MS", 300_000)
WORKSPACE_MAX_CONCURRENT_EXECUTIONS = _read(
    env.int, "WORKSPACE_MAX_CONCURRENT_EXECUTIONS", max(1, PERF_MAX_CONCURRENT_EXECUTIONS * 4 // 5)
)
WORKER_CONCURRENCY = _read(env.int, "WORKER_CONCURRENCY", 50)
NODE_THREADS = _read(env.int, "NODE_THREADS", max(64, WORKER_CONCURRENCY * 2))
WORKER_NICE = _read(env.int, "WORKER_NICE", 5)
WORKER_IDLE_SECONDS = _read(env.float, "WORKER_IDLE_SECONDS", 60.0)
SUPERVISOR_SOCKET = env.str("SUPERVISOR_SOCKET", "")  # set by `manage.py up` for its scheduler
WORKER_GRACE_SECONDS = _read(env.float, "WORKER_GRACE_SECONDS", 10.0)
MAX_WORKFLOW_DEPTH = _read(env.int, "MAX_WORKFLOW_DEPTH", 10)
LEASE_SECONDS = _read(env.float, "LEASE_SECONDS", 10.0)
HEARTBEAT_SECONDS = _read(env.float, "HEARTBEAT_SECONDS", 2.0)
MAX_RECOVERIES = _read(env.int, "MAX_RECOVERIES", 5)
CODE_PROCESSES = _read(env.int, "CODE_PROCESSES", os.cpu_count() or 1)
CODE_MEMORY_MB = _read(env.int, "CODE_MEMORY_MB", 256)
NODE_CPU_SECONDS = _read(env.int, "NODE_CPU_SECONDS", 60)
NODE_MEMORY_MB = _read(env.int, "NODE_MEMORY_MB", 512)
EVENT_PREVIEWS = _read(env.bool, "EVENT_PREVIEWS", True)

# --- Replays ---------------------------------------------------------------------------------------------------------
REPLAY_MAX_EVENTS = _read(env.int, "REPLAY_MAX_EVENTS", 100_000)
REPLAY_MAX_PER_USER = _read(env.int, "REPLAY_MAX_PER_USER", 20)
REPLAY_KEEP_HOURS = _read(env.int, "REPLAY_KEEP_HOURS", 24)

# --- Webhooks (delays in milliseconds) -------------------------------------------------------------------------------
WEBHOOK_MAX_ATTEMPTS = _read(env.int, "WEBHOOK_MAX_ATTEMPTS", 5)
WEBHOOK_INITIAL_DELAY = _read(env.int, "WEBHOOK_INITIAL_DELAY", 1_000)
WEBHOOK_MAX_DELAY = _read(env.int, "WEBHOOK_MAX_DELAY", 300_000)
WEBHOOK_BACKOFF_MULTIPLIER = _read(env.float, "WEBHOOK_BACKOFF_MULTIPLIER", 2.0)
WEBHOOK_THREADS = _read(env.int, "WEBHOOK_THREADS", 64)
WEBHOOK_RESPONSE_MAX_BYTES = _read(env.int, "WEBHOOK_RESPONSE_MAX_BYTES", 16 * 1024)
WEBHOOK_BREAKER_FAILURES = _read(env.int, "WEBHOOK_BREAKER_FAILURES", 10)
WEBHOOK_DISABLE_AFTER_HOURS = _read(env.float, "WEBHOOK_DISABLE_AFTER_HOURS", 120.0)
WEBHOOK_SECRET_OVERLAP_HOURS = _read(env.float, "WEBHOOK_SECRET_OVERLAP_HOURS", 24.0)
WEBHOOK_HISTORY_MAX_ATTEMPTS = _read(env.int, "WEBHOOK_HISTORY_MAX_ATTEMPTS", 100_000)
WEBHOOK_HISTORY_RETENTION_DAYS = _read(env.int, "WEBHOOK_HISTORY_RETENTION_DAYS", 30)
HOOK_REQUESTS_PER_SECOND = _read(env.float, "HOOK_REQUESTS_PER_SECOND", 0.0)
HOOK_REQUESTS_PER_SECOND_AND_ADDRESS = _read(env.float, "HOOK_REQUESTS_PER_SECOND_AND_ADDRESS", 0.0)
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", [])

# --- Traces, under OpenTelemetry's own names (docs/tracing.md) -------------------------------------------------------
OTEL_EXPORTER_OTLP_ENDPOINT = _read_url("OTEL_EXPORTER_OTLP_ENDPOINT", "")
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = _read_url("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
OTEL_EXPORTER_OTLP_HEADERS = env.str("OTEL_EXPORTER_OTLP_HEADERS", "")
OTEL_EXPORTER_OTLP_PROTOCOL = _read_choice("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", exporting.PROTOCOLS)
OTEL_EXPORTER_OTLP_TIMEOUT = _read(env.int, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000)
OTEL_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", "workflow-platform")
OTEL_RESOURCE_ATTRIBUTES = env.str("OTEL_RESOURCE_ATTRIBUTES", "")
OTEL_TRACES_SAMPLER = _read_choice("OTEL_TRACES_SAMPLER", "parentbased_always_on", exporting.SAMPLERS)
OTEL_TRACES_SAMPLER_ARG = _read(env.float, "OTEL_TRACES_SAMPLER_ARG", 1.0)

# --- Errors to Sentry (docs/tracing.md) ------------------------------------------------------------------------------
SENTRY_DSN = env.str("SENTRY_DSN", "")

# --- Logs (docs/logging.md) ------------------------------------------------------------------------------------------
LOG_FORMAT = _read_choice("LOG_FORMAT", "text", logs.FORMATS)
LOG_LEVEL = _read_choice("LOG_LEVEL", "INFO", logs.LEVELS)
ACCESS_LOG = _read(env.bool, "ACCESS_LOG", False)
LOGGING = logs.configuration(LOG_FORMAT, LOG_LEVEL)
