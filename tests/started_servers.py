"""A pytest plugin, named in pyproject.toml so that it is loaded before pytest-django reads the settings: from here on
the servers run, and the environment names them, until the session ends. Each process of a run in several (`-n`) has
servers of its own."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from tests import surroundings

_OURS = "SERVERS_OF_A_TEST_RUN"
surroundings.arrange()

from tests.servers import servers  # noqa: E402 - with the surroundings that were arranged

if os.environ.get(_OURS):  # inherited from the process that hands out the tests
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
if not os.environ.get("DATABASE_URL"):
    os.environ[_OURS] = "yes"

os.environ.setdefault("WORKER_NICE", "0")  # two processes of a run share the machine: workers would get little of it

_stack = ExitStack()
folder = _stack.enter_context(servers())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers."""
    _stack.close()
