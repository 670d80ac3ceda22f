"""Real PostgreSQL and Redis for every test; `platform` adds a real web process, workers and scheduler."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
import requests
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests import started_servers, tables
from tests.seed import MIGRATED, PASSWORD, PREPARED, manage, prepare
from tests.servers import running
from tests.shell import Shell
from workflow_platform.installation.embedded import free_port, wait_until
from workflow_platform.installation.supervision import Program, processes

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Platform:
    """A running platform, seen from outside."""

    url: str
    ws_url: str
    token: str
    password: str
    folder: Path
    environment: dict[str, str]
    start: Callable[[Program], None]
    """Runs one more process until the end of the session."""
    shell: Shell

    def request(self, method: str, path: str, **kwargs: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | dict(kwargs.pop("headers", {}))  # type: ignore[call-overload]
        return requests.request(method, self.url + path, headers=headers, timeout=240, **kwargs)  # type: ignore[arg-type]

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read the database, for checks."""
        with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Clean up after tests that commit; wait at the end until the engine's threads have returned their connections."""
    with django_db_blocker.unblock():
        # A test in a transaction is idle in it for as long as a busy machine takes between two queries.
        with connection.cursor() as cursor:
            name = connection.ops.quote_name(connection.settings_dict["NAME"])
            cursor.execute(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = 0")
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        tables.remember()
    with tables.restored_after_commits():
        yield
    connection.close()  # of this thread: tests in transactions keep it
    connection.close_pool()  # type: ignore[attr-defined]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        name = connection.settings_dict["NAME"]
        wait_until(lambda: admin.execute(sessions, [name]).fetchone() == (0,), "The end of all sessions")


@pytest.fixture(scope="module")
def folder() -> Path:
    """Return an empty folder for an installation: not one of pytest's, which each start of a pytest on the machine
    closes to PostgreSQL's user."""
    made = started_servers.folder / f"folder-{uuid4().hex[:8]}"
    made.mkdir()
    return made


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Have the test database begin with the tables."""
    if started_servers.seed is not None:
        settings.DATABASES["default"]["TEST"]["TEMPLATE"] = MIGRATED


@pytest.fixture(scope="session")
def prepared() -> str:
    """Provide the database `PREPARED` and the static files. Returns the API token of the first admin."""
    static = started_servers.folder / "static"
    if (seed := started_servers.seed) is not None:
        shutil.copytree(seed.static, static, dirs_exist_ok=True)
        return seed.token
    with psycopg.connect(started_servers.platform_postgres(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {PREPARED} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {PREPARED}")
    environment = _environment(PREPARED, 5)
    manage(environment, "collectstatic", "--noinput", "-v0")
    return prepare(environment)


@pytest.fixture(scope="session")
def platform(prepared: str) -> Iterator[Platform]:
    """Web, two workers and the scheduler, over a database of their own."""
    _create_database("platform_under_test")
    # Long enough for a busy machine; recovery tests that kill one of its workers wait for it.
    environment = _environment("platform_under_test", 5) | {"LEASE_SECONDS": "8"}
    with _running(environment, prepared, workers=2) as started:
        yield started


@pytest.fixture
def another(prepared: str) -> Iterator[Callable[..., Platform]]:
    """Start a platform with settings and a number of workers of its own."""
    with ExitStack() as stack:

        def start(workers: int = 1, **settings: str) -> Platform:
            environment = _environment("another_platform", 6) | settings
            _create_database("another_platform")
            with redis.Redis.from_url(environment["REDIS_URL"]) as client:
                client.flushdb()
            return stack.enter_context(_running(environment, prepared, workers))

        yield start


def _create_database(name: str) -> None:
    with psycopg.connect(started_servers.platform_postgres(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {PREPARED}")


def _environment(database: str, redis_number: int) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": started_servers.platform_database(database),
        "REDIS_URL": os.environ["REDIS_URL"].rsplit("/", 1)[0] + f"/{redis_number}",
        "ADMIN_PASSWORD": PASSWORD,
        "OUTBOUND_ALLOW": "127.0.0.2/32",
        "LEASE_SECONDS": "15",
        "HEARTBEAT_SECONDS": "1",
        "WORKER_GRACE_SECONDS": "2",
        "DATABASE_TIMEOUT_SECONDS": "20",  # a machine that is too busy is no outage
        "PORT": str(free_port()),
    }


@contextmanager
def _running(environment: dict[str, str], token: str, workers: int) -> Iterator[Platform]:
    port, folder = int(environment["PORT"]), started_servers.folder
    with ExitStack() as stack:

        def start(program: Program) -> None:
            log = folder / f"{program.name}-{uuid4().hex[:8]}.log"
            stack.enter_context(running(program.command, log, cwd=ROOT, env=environment))

        shell = stack.enter_context(Shell(environment, ROOT))
        # The very commands that `make up` runs, so that what is tested is what people start.
        for program in processes("127.0.0.1", port, workers=workers):
            for _ in range(program.count):
                start(program)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _ready(url), "The platform")
        yield Platform(url, f"ws://127.0.0.1:{port}/ws/", token, PASSWORD, folder, environment, start, shell)


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=60).status_code == 200
    except requests.RequestException:
        return False
