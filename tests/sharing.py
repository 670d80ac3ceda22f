"""A pytest plugin, named in pyproject.toml: what goes together when two processes share the tests (`-n 2`).

Files stay whole, for their fixtures. Those that use a platform share one, but for the browser's, which have another.
The others that use a database stay together, in pytest-django's order: tests that commit come last, for they empty it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent


class Sharing(LoadScopeScheduling):
    """Hands out groups of tests, the largest first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.split("::")[0])


@cache
def group_of(file: str) -> str:
    """Return the group of the tests in a file."""
    if file.startswith("tests/browser/"):
        return "browser"
    text = (ROOT / file).read_text()
    if "Platform" in text:
        return "platform"
    return "database" if not file.startswith("tests/unit/") or "django_db" in text or "COMMITS" in text else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing:
    """Have the tests shared so."""
    return Sharing(config, log)
