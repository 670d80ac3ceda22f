"""A cancellation takes effect at once, whatever the execution is at; `make bench` says how soon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.executing import execute, node_statuses, save, until
from tests.workflows import BUSY, busy_graph
from workflow_platform.installation.embedded import wait_until


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as found:
        yield found


@pytest.mark.parametrize("how", BUSY)
def test_it_ends_what_would_go_on_for_longer(platform: Platform, server: Answering, how: str) -> None:
    execution = execute(platform, save(platform, *busy_graph(how, server.url)), {})
    wait_until(lambda: node_statuses(platform, execution).get("busy") in {"running", "waiting"}, "The node")
    platform.request("POST", f"/api/executions/{execution}/cancel/", json={})
    assert until(platform, execution)["status"] == "cancelled"
