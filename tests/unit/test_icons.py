"""Every picture that is asked for by name has been drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from executions.nodes.registry import node_types

ROOT = Path(__file__).resolve().parent.parent.parent
DRAWN = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static" / "icons.svg").read_text()))


@pytest.mark.parametrize("node_type", node_types().values(), ids=lambda node_type: node_type.type)
def test_the_icon_of_a_node_type_is_drawn(node_type: object) -> None:
    assert node_type.icon in DRAWN  # type: ignore[attr-defined]


def test_the_icons_that_pages_and_scripts_name_are_drawn() -> None:
    templates = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
    named = set(re.findall(r'_icon.html" with name="([^"]+)"', templates))
    scripts = "".join(path.read_text() for path in (ROOT / "static" / "js").glob("*.js"))
    named |= set(re.findall(r'\bicon\("([^"]+)"', scripts))
    badges = re.search(r"BADGES = \{([^}]*)\}", scripts)
    assert badges is not None
    named |= set(re.findall(r'"([^"]+)"', badges[1]))
    assert named > {"play", "copy", "retry"}
    assert named <= DRAWN
