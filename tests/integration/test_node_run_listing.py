"""The node runs of an execution that has many: the newest, and where every node stands."""

from __future__ import annotations

import pytest

from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.workflows import edge, node


@pytest.fixture
def path(platform: Platform) -> str:
    """Return the path of the node runs of an execution of five turns."""
    nodes = [
        node("start", "manual_trigger"),
        node("numbers", "code", code="return [1, 2, 3, 4, 5].map(n => ({ n }))"),
        node("each", "loop", batch_size=1),
        node("seen", "set", fields={"seen": True}),
    ]
    edges = [edge("start", "numbers"), edge("numbers", "each"), edge("each", "seen", "loop"), edge("seen", "each")]
    execution = execute(platform, save(platform, nodes, edges), {})
    until(platform, execution)
    return f"/api/executions/{execution}/nodes/"


def listed(platform: Platform, path: str, query: str) -> list[tuple[str, int]]:
    rows = platform.request("GET", f"{path}?{query}").json()
    return [(row["node"], row["run_index"]) for row in rows]


def test_the_last_runs_come_with_the_latest_of_every_node_in_the_order_in_which_they_began(
    platform: Platform, path: str
) -> None:
    everything = listed(platform, path, "")
    assert len(everything) == 13
    assert listed(platform, path, "last=1") == [("start", 0), ("numbers", 0), ("seen", 4), ("each", 5)]
    assert listed(platform, path, "last=5") == everything[:2] + everything[-5:]
    assert listed(platform, path, "last=1000") == everything


def test_one_run_of_one_node_is_found_and_nonsense_is_named(platform: Platform, path: str) -> None:
    assert listed(platform, path, "node=seen&run_index=2") == [("seen", 2)]
    assert listed(platform, path, "node=nobody") == []
    for query, field in (("last=0", "last"), ("last=1001", "last"), ("run_index=-1", "run_index")):
        answer = platform.request("GET", f"{path}?{query}")
        assert answer.status_code == 400
        assert field in answer.text
