"""A platform whose processes a test hurts: any number of web processes and workers over a database and a Redis of its
own. What `tests.conftest.platform` is for all tests together, this is for one module."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import requests
from django.test import override_settings

from tests import started_servers
from tests.seed import PREPARED
from tests.shell import Shell
from workflow_platform.installation.embedded import EmbeddedRedis, free_port, wait_until
from workflow_platform.installation.supervision import processes

ROOT = Path(__file__).resolve().parent.parent


@dataclass(eq=False)
class Process:
    """One process, which is started again as it was."""

    command: list[str]
    log: Path
    environment: dict[str, str]
    ready: Callable[[], bool] = lambda: True
    running: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        wait_until(self.ready, self.log.name)

    def launch(self) -> None:
        """Start it."""
        with self.log.open("ab") as output:
            self.running = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def seen(self) -> psutil.Process:
        """Return it as the system sees it."""
        assert self.running is not None
        return psutil.Process(self.running.pid)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.running is not None
        self.running.send_signal(number)

    def kill(self) -> None:
        """Kill it, without a word."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Have it end, and wait until it has."""
        assert self.running is not None
        self.running.send_signal(number)
        self.running.wait(240)

    def ask_to_go(self) -> None:
        """Tell it to end."""
        if self.running is not None and self.running.poll() is None:
            self.running.send_signal(signal.SIGCONT)
            self.running.terminate()

    def clear_away(self) -> None:
        """Leave nothing behind."""
        self.ask_to_go()
        if self.running is not None and self.running.poll() is None:
            try:
                self.running.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


@dataclass(eq=False)
class Web(Process):
    """A web process."""

    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/"


@dataclass
class Site:
    """A platform: its first web process answers `request`, unless there is another `url`."""

    folder: Path
    environment: dict[str, str]
    token: str
    redis: Process
    shell: Shell
    webs: list[Web] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    front: str = ""
    """Where clients come in, if not at the first web process."""
    _processes: list[Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.front or self.webs[0].url

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws/"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        headers = self.headers | kwargs.pop("headers", {})
        return requests.request(method, self.url + path, headers=headers, timeout=kwargs.pop("timeout", 60), **kwargs)

    def history(self, execution: str) -> list[dict[str, Any]]:
        """Return what REST says of an execution's stream."""
        events: list[dict[str, Any]] = []
        while True:
            after = events[-1]["sequence"] if events else 0
            path = f"/api/executions/{execution}/events/?after={after}&limit=1000"
            page = self.request("GET", path).json()["events"]
            if not page:
                return events
            events += page

    def web(self, *, WS_PING_INTERVAL: int = 20_000, WS_PONG_TIMEOUT: int = 20_000, **settings: str) -> Web:
        """Start a web process with settings of its own."""
        port = free_port()
        with override_settings(WS_PING_INTERVAL=WS_PING_INTERVAL, WS_PONG_TIMEOUT=WS_PONG_TIMEOUT):
            (program,) = (p for p in processes("127.0.0.1", port, workers=1) if p.name == "web")
        web = Web(program.command, self._log("web"), self.environment | settings, lambda: _answers(web.url), port=port)
        self.webs.append(web)
        self.keep(web)
        return web

    def without_webs(self) -> None:
        """End the web processes, and whatever else stands in front of them."""
        gone = [process for process in self._processes if process in self.webs or process.command[0].endswith("nginx")]
        for process in gone:
            process.ask_to_go()
        for process in gone:
            process.clear_away()
            self._processes.remove(process)
        self.webs.clear()
        self.front = ""

    def worker(self) -> Process:
        """Launch a worker."""
        worker = self._program("worker")
        self.workers.append(worker)
        return worker

    def scheduler(self) -> Process:
        """Launch a scheduler."""
        return self._program("scheduler")

    def _program(self, name: str) -> Process:
        (program,) = (p for p in processes("127.0.0.1", 1, workers=1) if p.name == name)
        process = Process(program.command, self._log(name), self.environment)
        self._processes.append(process)
        process.launch()
        return process

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}-{uuid4().hex[:8]}.log"

    def keep(self, process: Process) -> None:
        """Start a process, which ends with the site."""
        self._processes.append(process)
        process.start()

    def clear_away(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.ask_to_go()
        for process in self._processes:
            process.clear_away()

    def wait_until_ready(self) -> None:
        """Wait until everything answers, and a worker lives."""
        wait_until(lambda: _answers(self.url, "/readyz"), "The platform")


@contextmanager
def site(token: str, folder: Path, *, workers: int = 1, **settings: str) -> Iterator[Site]:
    """Run a platform without web processes while the block runs; `settings` are environment variables.

    It begins with what the database `PREPARED` holds; `token` is the API token of its first admin.
    """
    name = f"site_{uuid4().hex[:8]}"
    with ExitStack() as stack:
        _create_database(name)
        stack.callback(_drop_database, name)
        server = EmbeddedRedis(folder / f"{name}-redis", free_port())
        server.prepare()
        environment = _environment(name) | {"REDIS_URL": server.url} | settings
        redis = Process(server.command, folder / f"{name}-redis.log", environment, server.ready)
        made = Site(folder, environment, token, redis, stack.enter_context(Shell(environment, ROOT)))
        stack.callback(made.clear_away)
        made.keep(redis)
        made.scheduler()
        for _ in range(workers):
            made.worker()
        yield made


def _environment(database: str) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": started_servers.platform_database(database),
        "OUTBOUND_ALLOW": "127.0.0.2/32",
        "LEASE_SECONDS": "4",
        "HEARTBEAT_SECONDS": "1",
        "WORKER_GRACE_SECONDS": "2",
        "DATABASE_TIMEOUT_SECONDS": "20",  # a machine that is too busy is no outage
        "CODE_PROCESSES": "1",
    }


def _create_database(name: str) -> None:
    with psycopg.connect(started_servers.platform_postgres(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {PREPARED}")


def _drop_database(name: str) -> None:
    with psycopg.connect(started_servers.platform_postgres(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _answers(url: str, path: str = "/healthz") -> bool:
    try:
        return requests.get(url + path, timeout=60).status_code == 200
    except requests.RequestException:
        return False


def python(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    """Start a Python program of the tests over a site's database and Redis, with pipes to it."""
    environment = environment | {"DJANGO_SETTINGS_MODULE": "workflow_platform.settings"}
    return subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
