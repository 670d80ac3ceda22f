"""Templates have lines that can be read, and styles use the design tokens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LINE_LENGTH = 120
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
STYLES = sorted(path for path in (ROOT / "static" / "css").glob("*.css") if path.name != "tokens.css")

LITERALS = {
    "colour": r"#[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|light-dark)\("
    r"|(?<![\w-])(?:white|black|gr[ae]y|red|green|blue|orange|yellow)(?![\w-])",
    "font size": r"\bfont(?:-size)?:[^;{}]*\d(?:px|rem|em|pt)\b",
    "space": r"(?<![\w-])(?:padding|margin|gap)[a-z-]*:[^;{}]*\b(?!1px)\d+px\b",
    "radius": r"\bborder-radius:[^;{}]*\d(?:px|rem|em)\b",
    "duration": r"\b(?:transition|animation)[a-z-]*:[^;{}]*\d(?:s|ms)\b",
    "layer": r"\bz-index:\s*\d",
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_has_lines_of_at_most_120_characters(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert [(n, len(line)) for n, line in enumerate(lines, 1) if len(line) > LINE_LENGTH] == []


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
@pytest.mark.parametrize("kind", LITERALS)
def test_a_style_sheet_takes_its_values_from_the_tokens(path: Path, kind: str) -> None:
    css = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    rules = re.sub(r"[^{};]*\{", "{", css)  # a selector may be an id: #feed is no colour
    assert [found.group() for found in re.finditer(LITERALS[kind], rules, re.IGNORECASE)] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_table_has_a_name_and_its_column_headers_say_that_they_are(path: Path) -> None:
    if "admin" in path.parts:
        return
    for table in re.findall(r"<table\b.*?</table>", path.read_text(), re.DOTALL):
        head = re.search(r"<thead>.*</thead>", table, re.DOTALL)
        if head is None:
            continue
        opening = re.sub(r"{%.*?%}", "", table).split(">")[0]
        assert "aria-label" in opening or "<caption" in table
        assert re.findall(r"<th(?=[\s>])(?![^>]*scope=)", head.group()) == []


def test_pages_are_refreshed_by_htmx() -> None:
    for path in (ROOT / "static" / "js").glob("*.js"):
        assert not re.search(r"DOMParser|innerHTML|outerHTML", path.read_text()), path.name


def test_every_token_that_a_style_sheet_uses_is_defined() -> None:
    sheets = "".join(path.read_text() for path in (ROOT / "static" / "css").glob("*.css"))
    scripts = "".join(path.read_text() for path in (ROOT / "static" / "js").glob("*.js"))
    templates = "".join(path.read_text() for path in TEMPLATES)
    defined = set(re.findall(r"(--[\w-]+):", sheets + templates)) | set(re.findall(r'"(--[\w-]+)"', scripts))
    assert set(re.findall(r"var\((--[\w-]+)\)", sheets)) <= defined


def test_no_file_has_marks_of_a_merge() -> None:
    for path in [*STYLES, *TEMPLATES, *(ROOT / "static" / "js").glob("*.js")]:
        assert not re.search(r"^(<{7}|>{7}) ", path.read_text(), re.MULTILINE), path.name
