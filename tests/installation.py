"""A whole installation, started by `manage.py up` as people start it: embedded servers, web, workers and scheduler.

The supervisor starts again what tests kill here.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests

from tests import started_servers
from tests.servers import SECRET_KEY, running
from workflow_platform.installation.embedded import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = "127.0.0.2"
"""Where the servers of tests listen that workflows may call."""
_MARKS = {
    "web": "workflow_platform.web",
    "worker": "rqworker",
    "scheduler": "run_scheduler",
    "postgres": "/bin/postgres",
    "redis": "redis-server",
}


@dataclass(frozen=True)
class Installation:
    """A running installation, seen from outside."""

    folder: Path
    url: str
    token: str
    environment: dict[str, str]
    root: psutil.Process

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws/"

    @property
    def database_url(self) -> str:
        return self.environment["DATABASE_URL"]

    @property
    def redis_url(self) -> str:
        return self.environment["REDIS_URL"]

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | kwargs.pop("headers", {})
        return requests.request(method, self.url + path, headers=headers, timeout=kwargs.pop("timeout", 60), **kwargs)

    def create_workflow(self, definition: dict[str, Any]) -> str:
        """Save a workflow. Returns its id."""
        answer = self.request("POST", "/api/workflows/", json=definition)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def node_types(self) -> set[str]:
        """Return the node types that this state of the platform has."""
        return {node_type["type"] for node_type in self.request("GET", "/api/node-types/").json()}

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read the database, for checks."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def processes(self, kind: str) -> list[psutil.Process]:
        """Return the processes of a kind (web, worker, scheduler, postgres, redis), of servers only the first."""
        found = [(process, parent) for process in self._tree() if _is(process, kind) and (parent := _parent(process))]
        inner = {process.pid for process, _ in found}
        return [process for process, parent in found if parent not in inner]

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds that each kind of process has used so far, with what its ended children used."""
        used = dict.fromkeys([*_MARKS, "other"], 0.0)
        kinds: dict[int, str] = {}
        for process in self._tree():
            try:
                kind = kinds.get(process.ppid()) or next((k for k in _MARKS if _is(process, k)), "")
                kinds[process.pid] = kind
                used[kind or "other"] += sum(process.cpu_times()[:4])
            except psutil.NoSuchProcess:
                continue
        return used

    def ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=60).status_code == 200
        except requests.RequestException:
            return False

    def _tree(self) -> list[psutil.Process]:
        return [self.root, *self.root.children(recursive=True)]


def _parent(process: psutil.Process) -> int | None:
    """Return the parent's id; None if the process has just ended."""
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _is(process: psutil.Process, kind: str) -> bool:
    try:
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return False
    # Those of `pdeathsig.py` are about to become something else.
    return any(_MARKS[kind] in word for word in words) and not any("pdeathsig.py" in word for word in words)


@contextmanager
def installation(folder: Path, **settings: str) -> Iterator[Installation]:
    """Run `manage.py up` over `folder` while the block runs; `settings` are environment variables."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    url = f"http://127.0.0.1:{free_port()}"
    environment = inherited | {
        "DATA_DIR": str(folder),
        "PORT": url.rsplit(":", 1)[1],
        "SECRET_KEY": SECRET_KEY,
        "ADMIN_PASSWORD": "a-password-for-tests",
        "OUTBOUND_ALLOW": f"{OUTSIDE}/32",
        "PYTHONUNBUFFERED": "1",
    }
    environment |= settings
    folder.mkdir(parents=True, exist_ok=True)
    if started_servers.seed is not None:  # the tables are made elsewhere; `test_up` starts in an empty folder
        started_servers.seed.copy_to(folder)
        started_servers.seed.copy_static_files_to(folder)
    log = folder / "up.log"
    with running([sys.executable, "manage.py", "up"], log, cwd=ROOT, env=environment) as up:
        wait_until(lambda: "Running at" in log.read_text() or up.poll() is not None, "The platform", 600)
        assert up.poll() is None, log.read_text()
        token = log.read_text().split("API token ")[1].split()[0]
        configured = (folder / "supervisord.conf").read_text().replace("%%", "%")
        for name in ("DATABASE_URL", "REDIS_URL"):
            found = re.search(rf'{name}="([^"]*)"', configured)
            assert found is not None, configured
            environment[name] = found[1]
        yield Installation(folder, url, token, environment, psutil.Process(up.pid))


def stop(process: psutil.Process) -> None:
    """Freeze a process, as a machine that swaps does."""
    process.send_signal(signal.SIGSTOP)


def kill(process: psutil.Process, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a deadly signal and wait until the process has gone; that it is gone already is no error."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
        process.wait(60)
