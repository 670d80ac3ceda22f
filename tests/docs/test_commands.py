"""The commands of the quick start and of the operating page, run against an installation started as they say."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, CodeBlock, code_blocks, sections
from tests.installation import Installation, installation
from workflow_platform.installation.embedded import free_port, wait_until

ANYTHING = "…"
MARK = "--- end of a block ---"
Terminal = Callable[[list[str]], list[str]]


def start_settings() -> dict[str, str]:
    """Return the variables that the quick start sets for `make up`."""
    *assignments, make, target = shlex.split(code_blocks("quick-start.md")[0].text)
    assert (make, target) == ("make", "up")
    return dict(assignment.split("=", 1) for assignment in assignments)


@pytest.fixture(scope="module")
def started(folder: Path) -> Iterator[Installation]:
    with installation(folder / "data", **start_settings()) as running:
        yield running


@pytest.fixture(scope="module")
def terminal(started: Installation) -> Terminal:
    """Return what runs commands as they would be pasted into one terminal, and returns the output of each."""
    names = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")  # the commands have to find these themselves
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    ports = {"PORT": started.environment["PORT"], "RECEIVER_PORT": str(free_port())}
    environment = inherited | ports | {"DATA_DIR": str(started.folder)}

    def run(commands: list[str]) -> list[str]:
        script = "set -eu\n" + "".join(f"{command}\necho '{MARK}'\n" for command in commands)
        done = subprocess.run(
            ["bash"], input=script, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=500
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split(f"{MARK}\n")

    return run


# --- quick start -----------------------------------------------------------------------------------------------------


def steps() -> list[tuple[str, str | None]]:
    """Return the commands after the start, each with the output that the page shows for it."""
    blocks = code_blocks("quick-start.md")[1:]
    following = [*blocks[1:], CodeBlock("", "")]
    return [
        (block.text, after.text if after.language == "text" else None)
        for block, after in zip(blocks, following, strict=True)
        if block.language == "sh"
    ]


def matches(shown: str, output: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in shown.strip().split(ANYTHING))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


@pytest.fixture(scope="module")
def outputs(terminal: Terminal) -> list[str]:
    """Run all steps in one terminal. Returns what each prints."""
    return terminal([command for command, _ in steps()])


@pytest.mark.parametrize("number", range(len(steps())))
def test_a_step_of_the_quick_start_prints_what_the_page_shows(outputs: list[str], number: int) -> None:
    _, shown = steps()[number]
    if shown is None:
        assert outputs[number] == ""
    else:
        assert matches(shown, outputs[number]), outputs[number]


def test_the_quick_start_shows_the_output_of_its_four_results() -> None:
    assert sum(shown is not None for _, shown in steps()) == 4


# --- operating -------------------------------------------------------------------------------------------------------


def test_a_backup_is_restored_as_the_page_says(started: Installation, terminal: Terminal) -> None:
    page = sections("operating.md")
    environment, example = [block.text for block in page["Commands"]]
    (backup,) = [block.text for block in page["Backup"]]
    restore, exchange = [block.text for block in page["Restore"]]
    before = started.query("SELECT id FROM executions_workflow ORDER BY id")
    forget = 'psql "$DATABASE_URL" -qc "TRUNCATE executions_workflow CASCADE"'
    try:
        terminal([environment, example, backup, forget, restore, exchange])
    finally:
        (ROOT / "backup.dump").unlink(missing_ok=True)
    wait_until(started.ready, "The platform on the restored database")
    assert started.query("SELECT id FROM executions_workflow ORDER BY id") == before
    assert len(before) >= 3  # the samples
