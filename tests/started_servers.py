"""A pytest plugin, named in pyproject.toml so that it is loaded before pytest-django reads the settings: from here on
the servers run, and the environment names them, until the session ends."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.servers import servers

_stack = ExitStack()
folder = _stack.enter_context(servers())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers."""
    _stack.close()
