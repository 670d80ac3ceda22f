"""The web process under measurement: started, measured from /proc, killed, started again."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from tests.benchmarks.sockets import connect
from tests.conftest import manage
from tests.servers import running
from workflow_platform.installation.embedded import free_port, wait_until

APPLICATIONS = {
    "persisted": ["workflow_platform.web", "workflow_platform.asgi:application"],
    "bare": ["daphne", "tests.benchmarks.bare:application"],
}
FILES = 16_384
STEADY, STEADY_SECONDS = 0.002, 15.0
"""Memory has settled when it changes by less than this part between two looks, or after so long."""


@dataclass(frozen=True)
class WebProcess:
    """A running web process, seen from outside."""

    url: str
    pid: int

    def memory(self) -> int:
        """Return the bytes that are its own (PSS)."""
        return int(psutil.Process(self.pid).memory_full_info().pss)

    async def settled_memory(self) -> int:
        """Return the memory when it no longer changes."""
        before, deadline = self.memory(), asyncio.get_running_loop().time() + STEADY_SECONDS
        while True:
            await asyncio.sleep(1)
            now = self.memory()
            if abs(now - before) < STEADY * before or asyncio.get_running_loop().time() > deadline:
                return now
            before = now

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that it has used."""
        return sum(psutil.Process(self.pid).cpu_times()[:2])


def allow_many_files() -> None:
    """Let this process and its children have a file for each socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def prepared() -> dict[str, str]:
    """Migrate, once for each database, and return the environment of the benchmark's processes."""
    allow_many_files()
    limits = {"WS_MAX_CONNECTIONS": "6000", "WS_MAX_CONNECTIONS_PER_USER": "6000"}
    environment = os.environ | {"ADMIN_PASSWORD": "for-the-benchmark", "OUTBOUND_ALLOW": ""} | limits
    return environment | {"BENCHMARK_TOKEN": _token(environment["DATABASE_URL"], tuple(environment.items()))}


@cache
def _token(database_url: str, environment: tuple[tuple[str, str], ...]) -> str:
    manage(dict(environment), "migrate", "-v0")
    return manage(dict(environment), "first_start").split("API token ")[1].split()[0]


def command(mode: str, port: int, *options: str) -> list[str]:
    """Return the command that runs a web process."""
    module, application = APPLICATIONS[mode]
    usual = ["-b", "127.0.0.1", "-p", str(port), "--websocket_timeout", "-1", "-v", "0"]
    return [sys.executable, "-m", module, *usual, *options, application]


@contextmanager
def web(
    folder: Path, environment: dict[str, str], *options: str, mode: str = "persisted", port: int | None = None
) -> Iterator[WebProcess]:
    """Run a web process; `options` are Daphne's."""
    port = port or free_port()
    with running(command(mode, port, *options), folder / f"bench-{mode}-{port}.log", env=environment) as process:
        url = f"ws://127.0.0.1:{port}/ws/"
        wait_until(lambda: asyncio.run(answers(url)), "The web process")
        yield WebProcess(url, process.pid)


async def answers(url: str) -> bool:
    """Return whether a socket can be opened."""
    try:
        (await connect(url, "nobody", lambda frame, now: None)).transport.close()
    except OSError:
        return False
    return True
