"""One platform for all tests that hurt what streams."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import started_servers
from tests.integration.conftest import engine_is_quiet, history_is_true
from tests.sites import Site, site

__all__ = ["engine_is_quiet", "history_is_true"]


@pytest.fixture(scope="session")
def whole_site(prepared: str) -> Iterator[Site]:
    folder = started_servers.folder / "site"
    folder.mkdir()
    with site(prepared, folder) as made:
        yield made


@pytest.fixture
def hurt(whole_site: Site) -> Iterator[Site]:
    """Yield a platform with a worker, a scheduler and a Redis of its own; web processes are the test's to start."""
    yield whole_site
    whole_site.without_webs()
