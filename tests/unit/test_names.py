"""One name means one thing: a public class name occurs once in the tree."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = ("workflow_platform", "events", "executions", "webhooks")
BY_DJANGO = {"Command"}
"""Django finds commands by this name."""
OTHER_PROGRAMS = ROOT / "events" / "client"
"""A library of its own, whose callers know its names."""


def test_a_public_class_name_occurs_once() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" in path.parts or OTHER_PROGRAMS in path.parents:
                continue
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in BY_DJANGO:
                    places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}
