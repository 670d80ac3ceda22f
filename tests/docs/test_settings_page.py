"""docs/settings.md against the code: every variable that is read, with its default, and no other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.docs.pages import ROOT, table_rows

PACKAGES = ("workflow_platform", "events", "executions", "webhooks")
_FROM_ENVIRONMENT = re.compile(r'environ(?:\.get\(|\[)"([A-Z][A-Z0-9_]+)"')
_RECORDER = """
import json
from environs import Env

read = {}

def recording(method):
    def call(self, name, default=None, *rest, **options):
        read[name] = default
        return method(self, name, default, *rest, **options)
    return call

for kind in ("str", "int", "float", "bool", "list"):
    setattr(Env, kind, recording(getattr(Env, kind)))
from workflow_platform import settings
values = {name: value for name, value in vars(settings).items() if name in read}
print(json.dumps({"read": read, "values": values}, default=str))
"""

Values = dict[str, Any]
COMPUTED: dict[str, tuple[str, Callable[[Values], Any] | None]] = {
    "DATA_DIR": ("`var` in the checkout", lambda values: str(ROOT / "var")),
    "PUBLIC_URL": ("`http://HOST:PORT`", lambda values: f"http://{values['HOST']}:{values['PORT']}"),
    "DATABASE_URL": ("embedded server", None),
    "REDIS_URL": ("embedded server", None),
    "REDIS_PUBSUB_URL": ("same as `REDIS_URL`", lambda values: ""),
    "SECRET_KEY": ("random, kept in `DATA_DIR`", None),
    "CREDENTIAL_KEYS": ("derived from `SECRET_KEY`", None),
    "ADMIN_PASSWORD": ("random, printed once", None),
    "PASSWORD_HASHES_AT_ONCE": ("half of the cores", lambda values: max(1, (os.cpu_count() or 1) // 2)),
    "NODE_THREADS": (
        "twice `WORKER_CONCURRENCY`, at least 64",
        lambda values: max(64, 2 * values["WORKER_CONCURRENCY"]),
    ),
    "WORKSPACE_MAX_CONCURRENT_EXECUTIONS": (
        "80 % of `PERF_MAX_CONCURRENT_EXECUTIONS`",
        lambda values: values["PERF_MAX_CONCURRENT_EXECUTIONS"] * 80 // 100,
    ),
    "WORKFLOW_MAX_EDGES": ("four times `WORKFLOW_MAX_NODES`", lambda values: 4 * values["WORKFLOW_MAX_NODES"]),
    "CODE_PROCESSES": ("number of cores", lambda values: os.cpu_count() or 1),
}
"""Defaults that the page gives in words, with what the words mean; None: nothing to compute before the first start."""


@pytest.fixture(scope="module")
def recorded() -> dict[str, Values]:
    """Load the settings in an empty environment. Returns what they read, and what they are then."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", _RECORDER], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def documented() -> dict[str, str]:
    """Return the default that the page gives for each variable."""
    rows = list(table_rows("settings.md"))
    assert len({row[0] for row in rows}) == len(rows), "A variable has two rows."
    assert all(len(row) == 4 and row[3] for row in rows)
    return {row[0].strip("`"): row[1] for row in rows}


def read_elsewhere() -> set[str]:
    """Return the variables that the packages read without the settings."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    return {name for file in files for name in _FROM_ENVIRONMENT.findall(file.read_text())}


def as_written(default: Any) -> str:
    """Return a default as the page writes it."""
    if default in ("", [], None):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return f"`{','.join(default)}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_the_page_has_every_variable_and_no_other(recorded: dict[str, Values], documented: dict[str, str]) -> None:
    assert set(documented) == set(recorded["read"]) | read_elsewhere()


def test_the_defaults_are_those_of_the_code(recorded: dict[str, Values], documented: dict[str, str]) -> None:
    for name, default in recorded["read"].items():
        if name not in COMPUTED:
            assert (name, documented[name]) == (name, as_written(default))


@pytest.mark.parametrize("name", COMPUTED)
def test_a_computed_default_is_what_its_words_say(
    recorded: dict[str, Values], documented: dict[str, str], name: str
) -> None:
    words, compute = COMPUTED[name]
    assert documented[name] == words
    if compute is not None:
        assert recorded["values"][name] == compute(recorded["values"])
