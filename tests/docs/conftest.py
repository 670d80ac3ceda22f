"""One installation for the pages whose commands are run, started as docs/quick-start.md says."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests import started_servers
from tests.docs.pages import ROOT, code_blocks
from tests.installation import Installation, installation
from workflow_platform.embedded import free_port

MARK = "--- end of a block ---"
Terminal = Callable[[list[str]], list[str]]


def start_settings() -> dict[str, str]:
    """Return the variables that the quick start sets for `make up`."""
    *assignments, make, target = shlex.split(code_blocks("quick-start.md")[0].text)
    assert (make, target) == ("make", "up")
    return dict(assignment.split("=", 1) for assignment in assignments)


@pytest.fixture(scope="session")
def started() -> Iterator[Installation]:
    with installation(started_servers.folder / f"docs-{uuid4().hex[:8]}", **start_settings()) as running:
        yield running


@pytest.fixture(scope="session")
def terminal(started: Installation) -> Terminal:
    """Return what runs commands as they would be pasted into one terminal, and returns the output of each."""
    names = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")  # the commands have to find these themselves
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    ports = {"PORT": started.environment["PORT"], "RECEIVER_PORT": str(free_port())}
    environment = inherited | ports | {"DATA_DIR": str(started.folder)}

    def run(commands: list[str]) -> list[str]:
        script = "set -eu\n" + "".join(f"{command}\necho '{MARK}'\n" for command in commands)
        done = subprocess.run(
            ["bash"], input=script, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split(f"{MARK}\n")

    return run
