"""How several processes share the tests: everything is run once, and few of them start what is expensive."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdist.remote import Producer

from tests.sharing import AT_ONCE, PLATFORMS, USE_PLATFORM, Sharing

GROUPS = {
    "long:generated": 1,
    "installation:chaos": 1,
    "installation:up": 12,
    "installation:workers": 3,
    "site": 20,
    "browser": 90,
    **{f"platform:{n}": 7 for n in range(30)},
    **{f"own:{n}": 11 for n in range(90)},
}
TESTS = {f"tests/test_{group}.py::test_{n}": group for group, count in GROUPS.items() for n in range(count)}
IDS = list(TESTS)


class Node:
    """One process, which runs what it is sent in turn."""

    shutting_down = False

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.sent: list[int] = []
        self.ran: list[str] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def kind(test: str) -> str:
    return TESTS[test].partition(":")[0]


def run(sharing: Sharing, nodes: list[Any]) -> list[list[str]]:
    """Have each process run a test in turn, until none has one. Returns what ran at the same time."""
    for node in nodes:
        sharing.add_node(node)
    for node in nodes:
        sharing.add_node_collection(node, IDS)
    sharing.schedule()
    together = []
    # As xdist's processes do: the last test is run once another one follows, or it is said that none will.
    while busy := [node for node in nodes if len(node.sent) > (not node.shutting_down)]:
        together.append([IDS[node.sent[0]] for node in busy])
        for node in busy:
            index = node.sent.pop(0)
            node.ran.append(IDS[index])
            sharing.mark_test_complete(node, index)
    return together


@pytest.fixture
def nodes(request: pytest.FixtureRequest) -> list[Node]:
    return [Node(f"gw{n}") for n in range(request.param)]


@pytest.fixture
def sharing(nodes: list[Node], tmp_path: Path) -> Sharing:
    return sharing_of(TESTS, len(nodes), tmp_path / "groups.json")


def sharing_of(tests: dict[str, str], processes: int, groups: Path) -> Sharing:
    groups.write_text(json.dumps(tests))
    config: Any = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=True), getvalue=lambda name: ["popen"] * processes
    )
    return Sharing(config, Producer("sharing", enabled=False), groups)


@pytest.mark.parametrize("nodes", [1, 2, 4, 8], indirect=True)
def test_every_test_is_run_once(sharing: Sharing, nodes: list[Node]) -> None:
    run(sharing, nodes)
    assert sorted(test for node in nodes for test in node.ran) == sorted(TESTS)
    assert all(node.shutting_down for node in nodes)


@given(
    groups=st.lists(
        st.tuples(st.sampled_from(["long", "installation", "site", "browser", "platform", "own"]), st.integers(1, 5)),
        max_size=12,
    ),
    count=st.integers(1, 4),
    chance=st.randoms(use_true_random=False),
)
def test_nothing_is_left_over_whatever_takes_how_long(
    groups: list[tuple[str, int]], count: int, chance: Random
) -> None:
    tests = {
        f"tests/test_{number}.py::test_{n}": kind if kind in {"site", "browser"} else f"{kind}:{number}"
        for number, (kind, many) in enumerate(groups)
        for n in range(many)
    }
    nodes: list[Any] = [Node(f"gw{n}") for n in range(count)]
    with TemporaryDirectory() as folder:
        sharing = sharing_of(tests, count, Path(folder) / "groups.json")
        for node in nodes:
            sharing.add_node(node)
        for node in nodes:
            sharing.add_node_collection(node, list(tests))
        sharing.schedule()
        while able := [node for node in nodes if len(node.sent) > (not node.shutting_down)]:
            node = chance.choice(able)
            index = node.sent.pop(0)
            node.ran.append(list(tests)[index])
            sharing.mark_test_complete(node, index)
    assert sorted(test for node in nodes for test in node.ran) == sorted(tests)


@pytest.mark.parametrize("nodes", [2, 4, 8], indirect=True)
def test_a_group_stays_in_one_process(sharing: Sharing, nodes: list[Node]) -> None:
    run(sharing, nodes)
    processes = [name for node in nodes for name in {TESTS[test] for test in node.ran}]
    assert sorted(processes) == sorted(GROUPS)


@pytest.mark.parametrize("nodes", [4, 8], indirect=True)
def test_few_processes_start_a_platform_or_an_installation(sharing: Sharing, nodes: list[Node]) -> None:
    together = run(sharing, nodes)
    assert sum(any(kind(test) in USE_PLATFORM for test in node.ran) for node in nodes) == PLATFORMS
    for name, limit in AT_ONCE.items():
        assert max(sum(kind(test) == name for test in tests) for tests in together) <= limit


@pytest.mark.parametrize("nodes", [4], indirect=True)
def test_what_takes_long_is_begun_first(sharing: Sharing, nodes: list[Node]) -> None:
    first, *_ = run(sharing, nodes)
    assert sorted(kind(test) for test in first) == ["installation", "installation", "long", "site"]


@pytest.mark.parametrize("nodes", [4], indirect=True)
def test_processes_that_replace_dead_ones_are_given_tests_when_they_have_collected_them(
    sharing: Sharing, nodes: list[Any]
) -> None:
    for node in nodes:
        sharing.add_node(node)
    for node in nodes:
        sharing.add_node_collection(node, IDS)
    sharing.schedule()
    fresh: list[Any] = [Node("gw4"), Node("gw5")]
    for dead, node in zip(nodes, fresh, strict=False):
        assert sharing.remove_node(dead) in TESTS
        sharing.add_node(node)
    for node in fresh:
        sharing.add_node_collection(node, IDS)
        sharing.schedule()
    assert all(node.sent for node in fresh)
