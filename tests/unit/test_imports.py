"""Every module of the project can be the first that a process imports."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.import_order import errors_of_first_imports

ROOTS = ("workflow_platform", "events", "executions", "webhooks")
LOADED_BY_DJANGO = ("models", "apps", "settings", "migrations", "wiring", "admin")
"""What `django.setup()` has to load before anything else, and what runs once."""


def modules() -> Iterator[str]:
    """Yield the names of all modules of the project that a process may import first."""
    for root in ROOTS:
        for module in pkgutil.walk_packages(import_module(root).__path__, f"{root}."):
            if not is_loaded_by_django(module.name) and not module.name.endswith(".__main__"):
                yield module.name


def is_loaded_by_django(name: str) -> bool:
    return any(part in LOADED_BY_DJANGO for part in name.split("."))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork of a process with threads: it only imports
def test_any_module_can_be_imported_first() -> None:
    names = list(modules())
    assert len(names) > 300
    assert errors_of_first_imports(names, kept=is_loaded_by_django) == {}


SOURCES = {
    "": "",
    "below": "",
    "first": "import cyclic.below, cyclic.second\nthing = 1",
    "second": "from cyclic.first import thing",
    "named": "from importlib import import_module\nimport_module('cyclic.third')\nthing = 1",
    "third": "from cyclic.named import thing",
    "above": "import cyclic.second",
}
"""Of a package with cycles that work from one side only, in the order in which they do."""


def test_a_module_that_can_only_be_imported_second_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "cyclic"
    package.mkdir()
    for name, source in SOURCES.items():
        (package / f"{name or '__init__'}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    names = [f"cyclic.{name}" for name in ("below", "second", "third", "first", "named", "above") if name]
    errors = errors_of_first_imports(names, kept=lambda _: False)
    assert sorted(errors) == ["cyclic.first", "cyclic.named"]
    assert "cyclic" not in sys.modules
