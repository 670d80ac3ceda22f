"""What a rerun keeps and what it runs again; that it comes to the same end as the execution before."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executions.domain.graph import Graph
from executions.domain.rerun_scope import (
    RerunProgress,
    RerunScope,
    changed_nodes,
    enters_cycle_elsewhere,
    scope,
    still_replaced,
)
from executions.engine.flow import Items, Ready, RestoredRun
from tests.unit.test_planner import DIAMOND, LOOP, LOOPS, MERGE_IN_LOOP, NESTED, A, Simulation, Work
from tests.workflows import edge, node


def stamped(ready: Ready) -> tuple[dict[str, Items], bool]:
    """A deterministic node whose output tells which way its items came."""
    given_items = [item for items in ready.inputs.values() for item in items]
    return {"main": [item | {"way": [*item.get("way", []), ready.node_id]} for item in given_items]}, False


def simulate(edges: list[dict[str, str]], work: dict[str, Work]) -> Simulation:
    simulation = Simulation(edges, work)
    simulation.work = {name: work.get(name, stamped) for name in simulation.graph.nodes}
    return simulation


def progress_of(done: Simulation) -> dict[str, RerunProgress]:
    progress = {name: RerunProgress(False, True) for name in done.skipped}
    for (name, _), row in done.rows.items():
        before = progress.get(name, RerunProgress(True, True))
        progress[name] = RerunProgress(True, before.finished and row["outputs"] is not None)
    return progress


def begin_again(
    done: Simulation, found: RerunScope, work: dict[str, Work], edges: list[dict[str, str]], replaced: dict[str, Items]
) -> Simulation:
    """Return the rerun with what it takes over, as the engine begins it."""
    again = simulate(edges, work)
    again.begin(A)
    again.plan = again.new_plan()
    again.rows = {key: dict(row) for key, row in done.rows.items() if key[0] in found.kept}
    again.skipped = [*(name for name in done.skipped if name in found.kept), *sorted(found.left_out)]
    rows = [RestoredRun(k, row["inputs"], row["outputs"], row["keep_open"]) for k, row in again.rows.items()]
    again.active = again.plan.restore(rows, again.trigger, again.skipped, replaced)
    return again


def outputs_of(simulation: Simulation) -> dict[str, Counter[str]]:
    """Return all that each node gave, in any order: nodes at the same time end in any order too."""
    given_: dict[str, Counter[str]] = {}
    for (name, _), row in simulation.rows.items():
        for output, items in row["outputs"].items():
            told = (json.dumps([output, item], sort_keys=True) for item in items)
            given_.setdefault(name, Counter()).update(told)
    return given_


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[dict[str, str]], dict[str, Work]]:
    """Branches, fan-ins, merges and a loop here and there, behind `start`."""
    count = draw(st.integers(2, 8))
    names = ["start"]
    edges: list[dict[str, str]] = []
    work: dict[str, Work] = {}
    for number in range(count):
        sources = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        kind = draw(st.sampled_from(["plain", "plain", "merge", "loop"]))
        name = f"{kind}{number}"
        for index, source in enumerate(sources):
            output = "done" if source.startswith("loop") else "main"
            target_input = f"input{index + 1}" if kind == "merge" else "main"
            edges.append(edge(source, name, output, target_input))
        names.append(name)
        if kind == "loop":
            work[name] = LOOPS["loop"]
            edges += [edge(name, f"body{number}", "loop"), edge(f"body{number}", name)]
    return edges, work


@given(graphs(), st.data())
@settings(max_examples=300, deadline=None)
def test_a_rerun_from_any_node_comes_to_the_same_end(
    made: tuple[list[dict[str, str]], dict[str, Work]], data: st.DataObject
) -> None:
    edges, work = made
    done = simulate(edges, work).begin(A)
    done.go()
    chosen = data.draw(st.sampled_from(sorted(done.graph.nodes)))
    found = scope(done.graph, progress_of(done), [chosen], [], with_input=False)
    again = begin_again(done, found, work, edges, {})
    again.go()
    assert outputs_of(again) == outputs_of(done)
    assert len(again.order) == sum(key[0] in found.again for key in again.rows)


@given(graphs(), st.data())
@settings(max_examples=300, deadline=None)
def test_a_rerun_of_an_execution_that_broke_off_comes_to_the_end_that_it_would_have_had(
    made: tuple[list[dict[str, str]], dict[str, Work]], data: st.DataObject
) -> None:
    edges, work = made
    whole = simulate(edges, work).begin(A)
    whole.go()
    broken = simulate(edges, work).begin(A)
    broken.go(data.draw(st.integers(0, len(whole.order))))
    unfinished = [name for name, got in progress_of(broken).items() if not got.finished]
    found = scope(broken.graph, progress_of(broken), unfinished, [], with_input=False)
    again = begin_again(broken, found, work, edges, {})
    again.go()
    assert outputs_of(again) == outputs_of(whole)


@given(graphs(), st.data())
@settings(max_examples=300, deadline=None)
def test_the_same_items_as_edited_input_change_nothing(
    made: tuple[list[dict[str, str]], dict[str, Work]], data: st.DataObject
) -> None:
    edges, work = made
    done = simulate(edges, work).begin(A)
    done.go()
    once = [  # nodes that took in one list, of one delivery: an edited input is that
        name
        for name in done.graph.nodes
        if [len(refs) for (n, _), row in done.rows.items() if n == name for refs in row["inputs"].values()] == [1]
    ]
    loops = [  # and loops that opened once: their first run took it in, the others what came back
        name
        for name in work
        if sum(e.source != f"body{name[4:]}" for e in done.graph.edges_into(name)) == 1
        and sum(not row["keep_open"] for (n, _), row in done.rows.items() if n == name) == 1
    ]
    entries = [name for name in once + loops if not enters_cycle_elsewhere(done.graph, name)]
    if not entries:
        return
    chosen = data.draw(st.sampled_from(entries))
    ((reference,),) = done.rows[chosen, 0]["inputs"].values()
    items = done.rows[reference["node"], reference["run_index"]]["outputs"][reference["output"]]
    found = scope(done.graph, progress_of(done), [chosen], [], with_input=True)
    again = begin_again(done, found, work, edges, {chosen: items})
    again.go(data.draw(st.integers(0, 5)))
    again = after_a_crash(again, {chosen: items})
    again.go()
    assert outputs_of(again) == outputs_of(done)


def after_a_crash(simulation: Simulation, replaced: dict[str, Items]) -> Simulation:
    simulation.plan = simulation.new_plan()
    rows = [RestoredRun(k, row["inputs"], row["outputs"], row["keep_open"]) for k, row in simulation.rows.items()]
    simulation.active = simulation.plan.restore(rows, simulation.trigger, simulation.skipped, replaced)
    return simulation


def graph_of(edges: list[dict[str, str]], **parameters: dict[str, Any]) -> Graph:
    names = dict.fromkeys(name for e in edges for name in (e["source"], e["target"]))
    return Graph.parse([node(name, "no_op", **parameters.get(name, {})) for name in names], edges)


def all_done(graph: Graph) -> dict[str, RerunProgress]:
    return {name: RerunProgress(True, True) for name in graph.nodes}


@pytest.mark.parametrize("chosen", ["loop", "body"])
def test_a_cycle_is_run_again_as_a_whole(chosen: str) -> None:
    graph = graph_of(LOOP)
    found = scope(graph, all_done(graph), [chosen], [], with_input=False)
    assert found.again == {"loop", "body", "after"}
    assert found.kept == {"start"}


def test_a_node_that_failed_runs_again_wherever_the_rerun_begins() -> None:
    graph = graph_of(DIAMOND)
    progress = all_done(graph) | {"left": RerunProgress(True, False)}
    del progress["merge"]
    found = scope(graph, progress, ["further"], [], with_input=False)
    assert (found.again, found.kept) == ({"left", "further", "merge"}, {"start", "right"})


def test_with_edited_input_a_node_that_failed_before_the_chosen_one_is_left_out() -> None:
    graph = graph_of([edge("start", "fails"), edge("fails", "next"), edge("next", "last"), edge("start", "other")])
    progress = {name: RerunProgress(True, True) for name in ("start", "other")} | {"fails": RerunProgress(True, False)}
    found = scope(graph, progress, ["last"], [], with_input=True)
    assert found.left_out == {"fails", "next"}
    assert found.kept == {"start", "other"}


def test_what_lies_behind_a_changed_node_is_not_kept() -> None:
    old, new = graph_of(DIAMOND), graph_of(DIAMOND, right={"note": 1})
    changed = changed_nodes(old, new)
    assert changed == {"right"}
    found = scope(new, all_done(new), ["merge"], changed, with_input=False)
    assert found.kept == {"start", "left"}


def test_a_node_that_takes_its_items_from_elsewhere_has_changed_and_one_that_was_moved_has_not() -> None:
    old = Graph.parse([node(n, "no_op") for n in "abcd"], [edge("a", "b"), edge("b", "c")])
    moved = [node(n, "no_op") | {"position": [1, 2], "name": n * 2} for n in "abcd"]
    new = Graph.parse(moved, [edge("a", "b"), edge("a", "c"), edge("c", "d")])
    assert changed_nodes(old, new) == {"c", "d"}


def test_a_node_whose_variables_have_changed_has_changed() -> None:
    graph = graph_of(DIAMOND, left={"url": "{{ $vars.base }}"})
    assert changed_nodes(graph, graph, vars_changed=True) == {"left"}


def test_an_edited_input_holds_in_later_reruns_until_something_before_the_node_runs_again() -> None:
    graph = graph_of([edge("start", "a"), edge("a", "b"), edge("b", "c")])

    def held(chosen: str) -> set[str]:
        return still_replaced(graph, scope(graph, all_done(graph), [chosen], [], with_input=False), {"b"})

    assert [held(name) for name in ("start", "a", "b", "c")] == [set(), set(), {"b"}, {"b"}]


@pytest.mark.parametrize(
    ("edges", "inside"),
    [(LOOP, {"body"}), (NESTED, {"inner", "body"}), (MERGE_IN_LOOP, {"left", "right", "merge"}), (DIAMOND, set())],
)
def test_other_items_enter_a_cycle_only_where_it_is_entered(edges: list[dict[str, str]], inside: set[str]) -> None:
    graph = graph_of(edges)
    assert {name for name in graph.nodes if enters_cycle_elsewhere(graph, name)} == inside


def test_edited_input_comes_in_place_of_what_was_kept_and_once() -> None:
    edges = [edge("start", "a"), edge("a", "b"), edge("b", "c")]
    done = simulate(edges, {}).begin(A)
    done.go()
    found = scope(done.graph, progress_of(done), ["b"], [], with_input=True)
    again = begin_again(done, found, {}, edges, {"b": [{"n": 9}]})
    again.go(1)
    again = after_a_crash(again, {"b": [{"n": 9}]})
    again.go()
    assert again.order == ["b0", "c0"]
    assert again.output("c") == [{"n": 9, "way": ["b", "c"]}]
