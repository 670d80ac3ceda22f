"""A pytest plugin, named in pyproject.toml so that it is loaded before pytest-django reads the settings.

It names servers in the environment. They run from the end of the collection until the end of the session.

Each process of a run in several (`-n`) has servers of its own, which begin with a copy of one seed. The process that
hands out the tests has no servers and has the seed made, while the others collect the tests.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import servers, surroundings
from tests.seed import ROOT, Seed
from workflow_platform.installation.embedded import EmbeddedPostgres, free_port

_SEED_FOLDER, _OURS = "SEED_OF_THE_TESTS", "SERVERS_OF_THE_TESTS"
"""What the process that hands out the tests says to the others: where the seed is, and which servers it has made up."""
_stack = ExitStack()
folder: Path
"""Of this process: its servers, their logs and what tests put there."""
seed: Seed | None = None
"""None where the environment names a database."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Set the environment, before anything reads it."""
    global folder, seed
    surroundings.arrange()
    for name in os.environ.pop(_OURS, "").split():
        del os.environ[name]
    folder = _stack.enter_context(servers.run_folder())
    servers.arrange_settings()
    os.environ.setdefault("WORKER_NICE", "0")  # processes of a run share the machine: workers would get little of it
    without_tests = hands_out(early_config)
    ours = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if "DATABASE_URL" in ours:
        inherited = os.environ.get(_SEED_FOLDER)
        seed = Seed(Path(inherited) if inherited else folder / "seed")
        password = seed.password if inherited else seed.reserve()
        port = _stack.enter_context(servers.reserved_port())  # the server starts only after the collection
        os.environ["DATABASE_URL"] = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    if "REDIS_URL" in ours:
        nowhere = "redis://127.0.0.1:1/0"
        os.environ["REDIS_URL"] = nowhere if without_tests else _stack.enter_context(servers.running_redis(folder)).url
    if without_tests:
        os.environ[_OURS] = " ".join(ours)
        if seed is not None:
            os.environ[_SEED_FOLDER] = str(seed.folder)
            _stack.enter_context(_making(seed))
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the PostgreSQL of the tests in this process."""
    if seed is None or session.config.option.collectonly or hands_out(session.config):
        return
    if _SEED_FOLDER not in os.environ:
        fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
        marked = any(item.get_closest_marker("django_db") for item in session.items)
        seed.make(tables=marked or not fixtures.isdisjoint({"db", "folder"}), prepared="prepared" in fixtures)
    _start_postgres(folder, urlsplit(os.environ["DATABASE_URL"]).port or 0)


@cache
def platform_postgres() -> str:
    """Return the URL of a PostgreSQL for platforms that run beside the tests of this process: not theirs, because an
    event can be read over all streams once no older transaction of the whole PostgreSQL is open, and a platform has one
    at any moment."""
    if seed is None:
        return os.environ["DATABASE_URL"]
    return _start_postgres(folder / "platforms", free_port()).url


def platform_database(name: str) -> str:
    """Return the URL of a database for a platform."""
    return platform_postgres().rsplit("/", 1)[0] + f"/{name}"


def _start_postgres(place: Path, port: int) -> EmbeddedPostgres:
    assert seed is not None
    seed.copy_to(place)
    postgres = EmbeddedPostgres(place / "postgres", port)
    postgres.prepare()
    _stack.enter_context(servers.running_postgres(postgres))
    return postgres


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers."""
    _stack.close()


def hands_out(config: pytest.Config) -> bool:
    """Return whether this process runs no tests, but others do that it starts."""
    return bool(config.known_args_namespace.numprocesses) and "PYTEST_XDIST_WORKER" not in os.environ


@contextmanager
def _making(seed: Seed) -> Iterator[None]:
    """Have another process make the seed."""
    with servers.running([sys.executable, "-m", "tests.seed", str(seed.folder)], folder / "seed.log", cwd=ROOT):
        yield
