"""One workspace cannot hold all slots of a worker while its executions take long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

SLOTS = 5


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as found:
        yield found


def test_a_strangers_execution_runs_while_those_of_one_workspace_fill_all_slots_they_may(
    another: Callable[..., Platform], server: Answering
) -> None:
    site = another(1, WORKER_CONCURRENCY=str(SLOTS))
    asks = save(
        site,
        [node("start", "manual_trigger"), node("ask", "http_request", method="POST", url=server.url)],
        [edge("start", "ask")],
    )
    greedy = [execute(site, asks) for _ in range(3 * SLOTS)]
    wait_until(lambda: len(server.asked) == SLOTS - 1, "The slots that one workspace may have")
    stranger = site.request("POST", "/api/workspaces/", json={"name": "Strangers"}).json()["id"]
    short = save(site, [node("start", "manual_trigger")], [], workspace=stranger)
    assert [until(site, execute(site, short))["status"] for _ in range(2)] == ["completed", "completed"]
    assert len(server.asked) == SLOTS - 1
    server.open()
    assert {until(site, each)["status"] for each in greedy} == {"completed"}
