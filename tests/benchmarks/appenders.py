"""Servers of a benchmark's own, databases in them, and appender processes that take turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import manage
from tests.servers import SECRET_KEY, running
from workflow_platform.installation.embedded import PostgresServer, RedisServer, as_server, free_port, wait_until


class OwnServers:
    """A PostgreSQL that waits for the disk, and a Redis."""

    def __init__(self, postgres: PostgresServer, redis: RedisServer, folder: Path) -> None:
        self._postgres, self._redis, self._folder = postgres, redis, folder

    def wait_for_disk(self, wanted: bool) -> None:
        """Switch fsync on or off."""
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET fsync = {'on' if wanted else 'off'}")  # type: ignore[arg-type]
            connection.execute("SELECT pg_reload_conf()")

    def database(self, name: str) -> dict[str, str]:
        """Make a database with the platform's tables. Returns the environment of processes that use it."""
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        environment = os.environ | {
            "DATABASE_URL": self._postgres.url.rsplit("/", 1)[0] + f"/{name}",
            "REDIS_URL": self._redis.url,
            "DATA_DIR": str(self._folder),
            "SECRET_KEY": SECRET_KEY,
            "DJANGO_SETTINGS_MODULE": "workflow_platform.settings",
            "ADMIN_PASSWORD": "for-the-benchmark",
            "LOG_LEVEL": "WARNING",
        }
        manage(environment, "migrate", "-v0")
        return environment | {"BENCHMARK_TOKEN": manage(environment, "first_start").split("API token ")[1].split()[0]}


@contextmanager
def own_servers(folder: Path) -> Iterator[OwnServers]:
    """Run the servers."""
    postgres, redis = PostgresServer(folder / "postgres", free_port()), RedisServer(folder / "redis", free_port())
    postgres.prepare()
    redis.prepare()
    with (
        running(postgres.command, folder / "postgres.log", **as_server()),
        running(redis.command, folder / "redis.log", cwd=folder),
    ):
        wait_until(postgres.ready, "PostgreSQL")
        wait_until(redis.ready, "Redis")
        yield OwnServers(postgres, redis, folder)


class AppenderProcess:
    """See `appender`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answer()

    def append(self, shape: str, batches: int) -> dict[str, list[float]]:
        """Return the seconds of each append (`ours`) and of each COPY (`bare`)."""
        return self._ask(f"append {shape} {batches}")

    def read(self, pages: int) -> dict[str, list[float]]:
        """Return the seconds of each page, by kind."""
        return self._ask(f"read {pages}")

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the appender has ended"
        return json.loads(line)


@contextmanager
def appender(environment: dict[str, str]) -> Iterator[AppenderProcess]:
    """Run an appender process."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.benchmarks.appender"]
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield AppenderProcess(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
