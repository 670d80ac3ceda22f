"""`make up`, as somebody meets it who has just cloned the project; then killed, stopped and started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import psutil
import pytest
import requests
from supervisor.xmlrpc import SupervisorTransport

from executions.samples import definitions
from tests.conftest import ROOT
from workflow_platform.installation.embedded import ServerDidNotStart, free_port, wait_until
from workflow_platform.installation.supervision import control_socket

PASSWORD = "a-password-for-the-first-admin"
SAMPLES = definitions()
TOLD_ONCE = re.compile(r"API token (\S+)")
NOT_OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
"""What the suite sets for itself and a new user does not have."""


class Up:
    """One `manage.py up` in the foreground of a terminal of its own."""

    def __init__(self, data: Path, port: int, output: Path) -> None:
        self.data, self.port, self.output = data, port, output
        self.url = f"http://127.0.0.1:{port}"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it says that it runs."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command(), cwd=ROOT, env=environment(self.data, self.port), start_new_session=True,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until(lambda: f"Running at {self.url}/" in self.said() or self.process.poll() is not None, "`up`", 180)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.output.read_text()

    def family(self) -> list[psutil.Process]:
        """Return it and every process below it."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def program(self, name: str) -> int:
        """Return the process of a program, as the supervisor knows it; 0 while it does not run."""
        transport = SupervisorTransport(None, None, serverurl=f"unix://{control_socket(self.data)}")
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            told: Any = proxy.supervisor.getProcessInfo(name)
        return int(told["pid"])

    def ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=240).status_code == 200
        except requests.RequestException:
            return False

    def request(self, method: str, path: str, token: str, **kwargs: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=90, **kwargs)

    def workflows(self, token: str) -> dict[str, str]:
        """Return the ids of the workflows by name."""
        found = self.request("GET", "/api/workflows/", token).json()["results"]
        return {workflow["name"]: workflow["id"] for workflow in found}

    def logs(self) -> str:
        """Return the end of what each program, and the supervisor, has written."""
        files = sorted((self.data / "logs").glob("*.log"))
        return "\n".join(f"--- {file.name}\n" + "\n".join(file.read_text().splitlines()[-15:]) for file in files)

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)


def command() -> list[str]:
    return [sys.executable, "manage.py", "up"]


def environment(data: Path, port: int) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    return own | {"DATA_DIR": str(data), "PORT": str(port), "ADMIN_PASSWORD": PASSWORD, "PYTHONUNBUFFERED": "1"}


def refused(data: Path, port: int) -> str:
    """Return what a start says that is not possible."""
    done = subprocess.run(command(), cwd=ROOT, env=environment(data, port), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def up(folder: Path) -> Iterator[Up]:
    """Start it in an empty folder; whatever happens, nothing of it is left behind."""
    started = Up(folder / "data", free_port(), folder / "output")
    yield started
    if started.process.poll() is None:
        started.interrupt()


@pytest.fixture(scope="module")
def token(up: Up) -> str:
    (told,) = TOLD_ONCE.findall(up.said())
    return str(told)


def test_a_new_user_is_told_the_address_and_once_the_token(up: Up, token: str) -> None:
    assert up.said().count(token) == 1
    assert PASSWORD not in up.said()
    assert up.ready()
    assert set(up.workflows(token)) == {sample["name"] for sample in SAMPLES}


def test_each_program_is_started_once(up: Up) -> None:
    spawned = re.findall(r"spawned: '([\w-]+)'", (up.data / "logs" / "supervisord.log").read_text())
    assert sorted(spawned) == ["postgres", "redis", "scheduler", "web", "worker-0", "worker-1"]


def test_no_static_file_is_collected_that_no_page_uses(up: Up, token: str) -> None:
    collected = {path.name for path in (up.data / "static").rglob("*") if path.is_file()}
    assert {"swagger-ui-bundle.js", "swagger-ui-bundle.js.gz", "page.js.gz"} <= collected
    assert not [name for name in collected if "redoc" in name or name.endswith(".map.gz")]


def test_the_first_admin_logs_in_with_the_password_that_was_set(up: Up, token: str) -> None:
    answer = requests.post(f"{up.url}/api/auth/token/", json={"username": "admin", "password": PASSWORD}, timeout=240)
    assert answer.status_code == 200, answer.text
    assert up.workflows(answer.json()["access"]) == up.workflows(token)


@pytest.mark.parametrize("name", ["web", "worker:worker-0", "redis", "postgres", "scheduler"])
def test_what_is_killed_is_started_again_and_workflows_run(up: Up, token: str, name: str) -> None:
    killed = up.program(name)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: up.program(name) not in {0, killed}, f"Another {name}")
    try:
        wait_until(up.ready, f"The platform, after its {name} was killed")
    except ServerDidNotStart:
        print(up.logs())  # or nobody knows why
        raise
    sample = SAMPLES[0]
    path = f"/api/workflows/{up.workflows(token)[sample['name']]}/execute/"
    ended = up.request("POST", path, token, json={"input": sample["settings"]["sample_input"], "wait": 60})
    assert ended.json()["status"] == "completed", ended.text


def readable_by_others(data: Path) -> list[str]:
    """Return what is in the data folder, and itself, that the group or others may read or write."""
    paths = [data, *data.rglob("*")]
    return [f"{path} {path.stat().st_mode:o}" for path in paths if path.exists() and path.stat().st_mode & 0o066]


def test_nobody_else_reads_the_data_folder_and_the_logs(up: Up) -> None:
    inside = [line for line in readable_by_others(up.data) if not line.startswith(f"{up.data}/static/")]
    assert inside == []
    assert (up.data / "static").stat().st_mode & 0o077 == 0  # what is below it, nobody else reaches
    assert up.data.stat().st_mode & 0o007 == 0


def test_a_second_start_says_that_the_port_is_in_use(up: Up, tmp_path: Path) -> None:
    said = refused(tmp_path / "data", up.port)
    assert f"Port {up.port} is in use" in said
    assert "PORT=" in said
    assert "Traceback" not in said


def test_a_second_start_on_the_same_data_says_that_it_already_runs(up: Up) -> None:
    said = refused(up.data, free_port())
    assert f"is already running with {up.data}" in said
    assert "Traceback" not in said
    assert up.ready()


def test_after_ctrl_c_nothing_is_left_and_the_next_start_finds_everything(up: Up, token: str) -> None:
    before, family = up.workflows(token), up.family()
    assert len(family) > 8
    assert up.interrupt() == 0
    assert "Stopped." in up.said()
    assert "Traceback" not in up.said().split("Stopping…")[1]
    assert [process for process in family if process.is_running()] == []
    assert not requests_reach(up)
    # As older versions left it.
    up.data.chmod(0o755)
    (up.data / "logs").chmod(0o755)
    for log in (up.data / "logs").iterdir():
        log.chmod(0o644)
    up.start()
    test_nobody_else_reads_the_data_folder_and_the_logs(up)
    assert up.workflows(token) == before
    assert TOLD_ONCE.findall(up.said()) == []


def requests_reach(up: Up) -> bool:
    try:
        requests.get(up.url, timeout=5)
    except requests.ConnectionError:
        return False
    return True
