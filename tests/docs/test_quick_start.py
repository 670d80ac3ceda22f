"""docs/quick-start.md, run line by line against an installation that was started as the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, CodeBlock, code_blocks
from tests.installation import Installation, installation
from workflow_platform.embedded import free_port

ANYTHING = "…"


def start_settings(block: CodeBlock) -> dict[str, str]:
    """Return the variables that the page sets for `make up`."""
    *assignments, make, target = shlex.split(block.text)
    assert (make, target) == ("make", "up")
    return dict(assignment.split("=", 1) for assignment in assignments)


def steps() -> list[tuple[str, str | None]]:
    """Return the commands after the start, each with the output that the page shows for it."""
    blocks = code_blocks("quick-start.md")[1:]
    following = [*blocks[1:], CodeBlock("", "")]
    return [
        (block.text, after.text if after.language == "text" else None)
        for block, after in zip(blocks, following, strict=True)
        if block.language == "sh"
    ]


def run_in_one_shell(commands: list[str], running: Installation) -> list[str]:
    """Run the commands as they would be pasted into one terminal. Returns the output of each."""
    mark = "--- end of a step ---"
    script = "set -eu\n" + "".join(f"{command}\necho '{mark}'\n" for command in commands)
    environment = os.environ | {"PORT": running.environment["PORT"], "RECEIVER_PORT": str(free_port())}
    done = subprocess.run(
        ["bash"], input=script, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(f"{mark}\n")


def matches(shown: str, output: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in shown.strip().split(ANYTHING))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


@pytest.fixture(scope="module")
def outputs(folder: Path) -> list[str]:
    """Start the platform with the page's first line, and run the rest of the page."""
    first = code_blocks("quick-start.md")[0]
    with installation(folder / "data", **start_settings(first)) as running:
        return run_in_one_shell([command for command, _ in steps()], running)


@pytest.mark.parametrize("number", range(len(steps())))
def test_a_step_prints_what_the_page_shows(outputs: list[str], number: int) -> None:
    _, shown = steps()[number]
    if shown is None:
        assert outputs[number] == ""
    else:
        assert matches(shown, outputs[number]), outputs[number]


def test_the_page_shows_the_output_of_its_four_results() -> None:
    assert sum(shown is not None for _, shown in steps()) == 4
