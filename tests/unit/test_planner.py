"""What runs when. A small engine around the planner: node types are functions from inputs to outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from executions.domain.graph import Graph
from executions.engine.flow import Items, Ready, RestoredRun, RunKey
from executions.engine.planner import Planner
from tests.workflows import edge, node

Work = Callable[[Ready], tuple[dict[str, Items], bool]]


def through(ready: Ready) -> tuple[dict[str, Items], bool]:
    return {"main": [item for items in ready.inputs.values() for item in items]}, False


def loop(ready: Ready) -> tuple[dict[str, Items], bool]:
    first, *returned = ready.iterations
    if len(returned) < len(first):
        return {"loop": [first[len(returned)]]}, True
    return {"done": [item for turn in returned for item in turn]}, False


def only(output: str) -> Work:
    return lambda ready: ({output: [item for items in ready.inputs.values() for item in items]}, False)


class Simulation:
    """Runs a graph one node run at a time and keeps rows, as the engine's database would."""

    def __init__(self, edges: list[dict[str, str]], work: dict[str, Work] | None = None) -> None:
        names = list(dict.fromkeys(["start", *(name for e in edges for name in (e["source"], e["target"]))]))
        self.graph = Graph.parse([node(name, "no_op") for name in names], edges)
        self.work = work or {}
        self.rows: dict[RunKey, dict[str, Any]] = {}
        self.skipped: list[str] = []
        self.order: list[str] = []
        self.plan = self.new_plan()
        self.active: list[Ready] = []

    def new_plan(self) -> Planner:
        return Planner(self.graph, lambda node_id: node_id.startswith("merge"))

    def begin(self, items: Items) -> Simulation:
        self.trigger = ("start", items)
        self.plan.trigger(*self.trigger)
        return self

    def go(self, steps: int = 10_000) -> Simulation:
        """Run to the end, or so many node runs."""
        while steps:
            self.skipped += self.plan.take_skipped()
            for ready in self.plan.take_ready():
                inputs = {name: refs for name, refs in ready.references.items() if refs[0]["run_index"] >= 0}
                self.rows[ready.node_id, ready.run_index] = {"inputs": inputs, "outputs": None, "keep_open": False}
                self.active.append(ready)
            if self.plan.ended:
                break
            self.finish(self.active.pop(0))
            steps -= 1
        return self

    def finish(self, ready: Ready) -> None:
        outputs, keep_open = self.work.get(ready.node_id, through)(ready)
        outputs = {name: items for name, items in outputs.items() if items}
        key = (ready.node_id, ready.run_index)
        self.rows[key] |= {"outputs": outputs, "keep_open": keep_open}
        self.order.append(f"{ready.node_id}{ready.run_index}")
        self.plan.completed(key, outputs, keep_open=keep_open)

    def crash(self) -> Simulation:
        """Forget everything but the rows and go on from them."""
        self.plan = self.new_plan()
        rows = [RestoredRun(k, row["inputs"], row["outputs"], row["keep_open"]) for k, row in self.rows.items()]
        self.active = self.plan.restore(rows, self.trigger, self.skipped)
        return self

    def output(self, node_id: str, run_index: int = 0) -> Items:
        return list(self.rows[node_id, run_index]["outputs"].get("main", []))


A: Items = [{"n": 1}, {"n": 2}]
DIAMOND = [
    edge("start", "left"),
    edge("start", "right"),
    edge("left", "merge", "main", "input1"),
    edge("right", "further"),
    edge("further", "merge", "main", "input2"),
]
LOOP = [edge("start", "loop"), edge("loop", "body", "loop"), edge("body", "loop"), edge("loop", "after", "done")]
NESTED = [
    edge("start", "loop"),
    edge("loop", "inner", "loop"),
    edge("inner", "body", "loop"),
    edge("body", "inner"),
    edge("inner", "loop", "done"),
    edge("loop", "after", "done"),
]
MERGE_IN_LOOP = [
    edge("start", "loop"),
    edge("loop", "left", "loop"),
    edge("loop", "right", "loop"),
    edge("left", "merge", "main", "input1"),
    edge("right", "merge", "main", "input2"),
    edge("merge", "loop"),
    edge("loop", "after", "done"),
]
LOOPS: dict[str, Work] = {"loop": loop, "inner": loop}


def test_branches_are_ready_at_the_same_time() -> None:
    simulation = Simulation(DIAMOND).begin(A).go(1)
    assert {ready.node_id for ready in simulation.plan.take_ready()} == {"left", "right"}


def test_a_merge_waits_for_every_input_that_can_still_receive() -> None:
    simulation = Simulation(DIAMOND).begin(A).go()
    assert simulation.order == ["start0", "left0", "right0", "further0", "merge0"]
    assert simulation.output("merge") == [*A, *A]


def test_a_merge_does_not_wait_for_a_branch_that_got_nothing() -> None:
    edges = [
        edge("start", "left", "true"),
        edge("start", "right", "false"),
        edge("left", "merge", "main", "input1"),
        edge("right", "merge", "main", "input2"),
    ]
    simulation = Simulation(edges, {"start": only("true")}).begin(A).go()
    assert simulation.order == ["start0", "left0", "merge0"]
    assert simulation.skipped == ["right"]


def test_what_nothing_can_reach_is_skipped_once() -> None:
    edges = [edge("start", "a", "never"), edge("a", "b")]
    simulation = Simulation(edges).begin(A).go()
    assert (simulation.order, simulation.skipped) == (["start0"], ["a", "b"])


def test_a_loop_hands_out_every_batch_and_ends_once() -> None:
    simulation = Simulation(LOOP, LOOPS).begin(A).go()
    assert simulation.order == ["start0", "loop0", "body0", "loop1", "body1", "loop2", "after0"]
    assert simulation.output("after") == A


def test_a_loop_whose_body_gives_nothing_goes_on() -> None:
    simulation = Simulation(LOOP, LOOPS | {"body": lambda ready: ({}, False)}).begin(A).go()
    assert [name for name in simulation.order if name.startswith("body")] == ["body0", "body1"]
    assert simulation.plan.ended


def test_a_loop_in_a_loop_opens_anew_for_each_turn() -> None:
    simulation = Simulation(NESTED, LOOPS).begin(A).go()
    assert [name for name in simulation.order if name.startswith("body")] == ["body0", "body1"]
    assert simulation.output("after") == A


def test_a_merge_in_a_loop_fires_once_a_turn() -> None:
    simulation = Simulation(MERGE_IN_LOOP, LOOPS).begin(A).go()
    assert [name for name in simulation.order if name.startswith("merge")] == ["merge0", "merge1"]
    assert simulation.output("after") == [A[0], A[0], A[1], A[1]]


@pytest.mark.parametrize("edges", [DIAMOND, LOOP, NESTED, MERGE_IN_LOOP], ids=["diamond", "loop", "nested", "merge"])
def test_a_crash_after_any_step_changes_nothing_of_what_is_done(edges: list[dict[str, str]]) -> None:
    whole = Simulation(edges, LOOPS).begin(A).go()
    for step in range(len(whole.order)):
        simulation = Simulation(edges, LOOPS).begin(A).go(step).crash().go()
        assert sorted(simulation.order) == sorted(whole.order), step
        assert {k: r["outputs"] for k, r in simulation.rows.items()} == {k: r["outputs"] for k, r in whole.rows.items()}
