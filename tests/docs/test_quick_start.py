"""docs/quick-start.md, run line by line against an installation that was started as the page says."""

from __future__ import annotations

import re

import pytest

from tests.docs.conftest import Terminal
from tests.docs.pages import CodeBlock, code_blocks

ANYTHING = "…"


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
def test_a_step_prints_what_the_page_shows(outputs: list[str], number: int) -> None:
    _, shown = steps()[number]
    if shown is None:
        assert outputs[number] == ""
    else:
        assert matches(shown, outputs[number]), outputs[number]


def test_the_page_shows_the_output_of_its_four_results() -> None:
    assert sum(shown is not None for _, shown in steps()) == 4
