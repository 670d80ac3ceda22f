"""The pages as a whole: links lead somewhere, what is shown twice is the same, and lists are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from executions.nodes.registry import BUILT_IN
from tests.docs.pages import DOCS, ROOT, code_blocks, links, table_rows

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
MOST_WORDS = 700


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target in links(page):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_readme_is_short_and_lists_every_page() -> None:
    readme = ROOT / "README.md"
    assert len(readme.read_text().split()) <= MOST_WORDS
    listed = {(ROOT / target).resolve() for target in links(readme) if "://" not in target}
    assert set(DOCS.glob("*.md")) <= listed


def test_the_receiver_of_the_webhooks_page_is_the_one_in_the_examples() -> None:
    (shown,) = [block.text for block in code_blocks("webhooks.md") if block.language == "python"]
    assert shown in (DOCS / "examples" / "receiver.py").read_text()


def test_the_workflows_page_lists_every_node_type() -> None:
    lines = (DOCS / "workflows.md").read_text().split("## Node types")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", lines, re.MULTILINE) == [node_type.type for node_type in BUILT_IN]


def test_the_glossary_has_each_term_once_in_order() -> None:
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert len(terms) > 80
    assert terms == sorted(set(terms), key=str.lower)


def test_settings_that_pages_name_are_on_the_settings_page() -> None:
    documented = {row[0].strip("`") for row in table_rows("settings.md")}
    prefixes = {name.split("_")[0] + "_" for name in documented if "_" in name}
    for page in PAGES:
        for name in re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", page.read_text()):
            assert name in documented or not name.startswith(tuple(prefixes)), (page.name, name)
