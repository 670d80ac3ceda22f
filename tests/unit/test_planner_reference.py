"""The planner against the one that searches the graph at every step: the same runs, in the same order, and cheaply."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executions.domain.graph import Graph
from executions.engine.flow import Items, Ready, RestoredRun, RunKey
from executions.engine.planner import Planner
from tests.reference_planner import ReferencePlanner
from tests.workflows import edge, node

ITEMS: Items = [{"n": 1}]
OUTPUTS = ("main", "other")
MOST_RUNS = 60


def is_join(node_id: str) -> bool:
    return node_id.startswith("merge")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw graphs with cycles, joins with few and many inputs, loops on the same cycles, and nodes nothing leads to."""
    count = draw(st.integers(2, 9))
    names = ["start"] + [f"{draw(st.sampled_from(['merge', 'loop', 'plain']))}{i}" for i in range(1, count)]
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = [
        edge(names[a], names[b], draw(st.sampled_from(OUTPUTS)), draw(st.sampled_from(["in1", "in2"])))
        for a, b in draw(st.lists(ends, min_size=1, max_size=2 * count))
    ]
    return Graph.parse([node(name, "no_op") for name in names], edges)


class Both:
    """Two plans that are told the same; whatever they say must be equal."""

    def __init__(self, graph: Graph, chance: random.Random) -> None:
        self.graph, self.chance = graph, chance
        self.rows: dict[RunKey, dict[str, Any]] = {}
        self.skipped: list[str] = []
        self.active: list[Ready] = []
        self.plans: tuple[Planner, ReferencePlanner] = self.new()
        for plan in self.plans:
            plan.trigger("start", ITEMS)

    def new(self) -> tuple[Planner, ReferencePlanner]:
        return Planner(self.graph, is_join), ReferencePlanner(self.graph, is_join)

    def look(self) -> bool:
        skipped, expected_skipped = (plan.take_skipped() for plan in self.plans)
        assert skipped == expected_skipped
        self.skipped += skipped
        ready, expected = (plan.take_ready() for plan in self.plans)
        assert shown(ready) == shown(expected)
        for run in ready:
            inputs = {name: refs for name, refs in run.references.items() if refs[0]["run_index"] >= 0}
            self.rows[run.node_id, run.run_index] = {"inputs": inputs, "outputs": None, "keep_open": False}
        self.active += ready
        ended, expected_end = (plan.ended for plan in self.plans)
        assert ended == expected_end
        return not ended

    def finish(self) -> None:
        if not self.active:
            return
        run = self.active.pop(self.chance.randrange(len(self.active)))
        key = (run.node_id, run.run_index)
        outputs = {name: ITEMS for name in OUTPUTS if self.chance.random() < 0.7}
        keep_open = run.node_id.startswith("loop") and self.chance.random() < 0.6
        self.rows[key] |= {"outputs": outputs, "keep_open": keep_open}
        flows, expected = (plan.completed(key, outputs, keep_open=keep_open) for plan in self.plans)
        assert flows == expected

    def crash(self) -> None:
        rows = [RestoredRun(k, row["inputs"], row["outputs"], row["keep_open"]) for k, row in self.rows.items()]
        self.plans = self.new()
        begun, expected = (plan.restore(rows, ("start", ITEMS), self.skipped) for plan in self.plans)
        assert shown(begun) == shown(expected)
        self.active = begun


def shown(runs: list[Ready]) -> list[Any]:
    return [(run.node_id, run.run_index, run.references, len(run.iterations)) for run in runs]


@settings(max_examples=600, deadline=None)
@given(graphs(), st.integers(0, 2**32), st.floats(0, 0.2))
def test_any_graph_runs_as_it_did_when_every_step_searched_it(graph: Graph, seed: int, crashes: float) -> None:
    chance = random.Random(seed)
    both = Both(graph, chance)
    while both.look() and len(both.rows) < MOST_RUNS:
        if chance.random() < crashes:
            both.crash()
        elif chance.random() < 0.9:
            both.finish()


N = 1000


def chain(count: int) -> list[dict[str, str]]:
    names = ["start", *(f"merge{i}" for i in range(1, count))]
    return [edge(a, b, "main", "in1") for a, b in pairwise(names)]


def ladder(count: int) -> list[dict[str, str]]:
    rungs = [("start", "start")] + [(f"merge{i}l", f"merge{i}r") for i in range(count // 2 - 1)]
    return [
        edge(above, below, "main", f"in{place}")
        for uppers, lowers in pairwise(rungs)
        for below in lowers
        for place, above in enumerate(dict.fromkeys(uppers))
    ]


def bipartite(count: int) -> list[dict[str, str]]:
    few = 4
    first = [f"plain{i}" for i in range(few)]
    joins = [f"merge{i}" for i in range(count - few - 1)]
    return [edge("start", name) for name in first] + [
        edge(name, join, "main", f"in{place}") for join in joins for place, name in enumerate(first)
    ]


def one_with_all_inputs(count: int) -> list[dict[str, str]]:
    names = [f"plain{i}" for i in range(count - 2)]
    return [edge("start", name) for name in names] + [
        edge(name, "merge", "main", f"in{i}") for i, name in enumerate(names)
    ]


def dense(count: int) -> list[dict[str, str]]:
    names = ["start", *(f"merge{i}" for i in range(1, count))]
    return [
        edge(names[i], names[i + further], "main", f"in{further}")
        for i in range(count)
        for further in (1, 2, 3, 4)
        if i + further < count
    ]


def waiting_for_a_long_branch(count: int) -> list[dict[str, str]]:
    """Half of the nodes are joins that gather from the beginning on, and wait for the other half."""
    branch = ["start", *(f"plain{i}" for i in range(count // 2))]
    return [edge(a, b) for a, b in pairwise(branch)] + [
        edge(source, f"merge{i}", "main", name)
        for i in range(count // 2 - 1)
        for source, name in (("start", "in1"), (branch[-1], "in2"))
    ]


@pytest.mark.parametrize("shape", [chain, ladder, bipartite, one_with_all_inputs, dense, waiting_for_a_long_branch])
def test_a_large_graph_costs_a_few_steps_for_each_edge(shape: Any) -> None:
    edges = shape(N)
    names = list(dict.fromkeys(["start", *(name for e in edges for name in (e["source"], e["target"]))]))
    graph = Graph.parse([node(name, "no_op") for name in names], edges)
    plan = Planner(graph, is_join)
    plan.trigger("start", ITEMS)
    ran = 0
    while not plan.ended:
        plan.take_skipped()
        for run in plan.take_ready():
            plan.completed((run.node_id, run.run_index), {"main": ITEMS})
            ran += 1
    assert ran == len(names)
    assert plan.steps <= 4 * len(edges)
