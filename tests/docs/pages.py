"""The pages of docs/ as tests read them: their tables, code blocks and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class CodeBlock:
    """One fenced block of a page."""

    language: str
    text: str


def code_blocks(page: str) -> list[CodeBlock]:
    """Return the fenced code blocks of a page in docs/, in their order."""
    return _blocks((DOCS / page).read_text())


def sections(page: str) -> dict[str, list[CodeBlock]]:
    """Return the fenced code blocks of each section of a page in docs/, by its heading."""
    _, *parts = re.split(r"^## (.*)$", (DOCS / page).read_text(), flags=re.MULTILINE)
    return {heading: _blocks(text) for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def _blocks(text: str) -> list[CodeBlock]:
    return [CodeBlock(language, block) for language, block in _FENCE.findall(text)]


def table_rows(page: str) -> Iterator[list[str]]:
    """Yield the cells of each table row in a page of docs/, without headings and rules."""
    for line in (DOCS / page).read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        if line.startswith("| `"):
            yield cells


def links(path: Path) -> list[str]:
    """Return the targets of all links in a Markdown file."""
    return _LINK.findall(_FENCE.sub("", path.read_text()))
