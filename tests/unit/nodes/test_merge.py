from __future__ import annotations

from typing import Any

import pytest

from executions.domain.errors import NodeError
from executions.domain.expressions import BudgetExceeded
from executions.domain.items import Items
from executions.nodes.registry import node_types
from tests.unit.nodes.running import run, run_in_context

INPUTS: dict[str, Items] = {
    "input10": [{"id": 9, "c": 1}],
    "input2": [{"id": 2, "b": 1}, {"id": 1, "b": 2}],
    "input1": [{"id": 1, "a": 1}, {"x": "no id"}],
}


def test_append_takes_the_inputs_in_the_order_of_their_numbers() -> None:
    merged = run("merge", inputs=INPUTS).outputs["main"]
    assert merged == [*INPUTS["input1"], *INPUTS["input2"], *INPUTS["input10"]]


def test_by_position_joins_the_items_that_stand_in_the_same_place() -> None:
    merged = run("merge", inputs=INPUTS, mode="by_position").outputs["main"]
    assert merged == [{"id": 9, "a": 1, "b": 1, "c": 1}, {"x": "no id", "id": 1, "b": 2}]


def test_by_key_joins_the_items_that_share_a_value_and_leaves_the_others_alone() -> None:
    merged = run("merge", inputs=INPUTS, mode="by_key", key="id").outputs["main"]
    assert merged == [{"id": 1, "a": 1, "b": 2}, {"x": "no id"}, {"id": 2, "b": 1}, {"id": 9, "c": 1}]


def test_by_key_changes_no_item_of_another_node() -> None:
    inputs: dict[str, Items] = {"input1": [{"id": 1}], "input2": [{"id": 1, "b": 2}]}
    run("merge", inputs=inputs, mode="by_key", key="id")
    assert inputs == {"input1": [{"id": 1}], "input2": [{"id": 1, "b": 2}]}


def test_by_key_without_a_key_is_said() -> None:
    with pytest.raises(NodeError, match=r"parameters\.key"):
        run("merge", inputs=INPUTS, mode="by_key")


CUSTOMERS: Items = [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}, {"name": "C"}, {"id": None, "name": "D"}]
ORDERS: Items = [{"id": 1, "o": 10}, {"id": 3, "o": 30}, {"id": 1.0, "o": 11}, {"id": None, "o": 0}, {"id": "1"}]


def joined(join: str, **parameters: Any) -> tuple[Any, Any]:
    """Return the items and their origins, where the orders arrived first."""
    given = {"mode": "by_key", "key": "id", "join": join} | parameters
    result = run("merge", inputs={"input2": ORDERS, "input1": CUSTOMERS}, **given)
    return result.outputs["main"], result.lineage["main"]


PAIRS = [{"id": 1, "name": "A", "o": 10}, {"id": 1.0, "name": "A", "o": 11}]


@pytest.mark.parametrize(
    ("join", "items", "origins"),
    [
        ("inner", PAIRS, [[5, 0], [5, 2]]),
        ("left", [*PAIRS, *CUSTOMERS[1:]], [[5, 0], [5, 2], 6, 7, 8]),
        (
            "outer",
            [*PAIRS, *CUSTOMERS[1:], ORDERS[1], ORDERS[3], ORDERS[4]],
            [[5, 0], [5, 2], 6, 7, 8, 1, 3, 4],
        ),
        ("anti", CUSTOMERS[1:], [6, 7, 8]),
    ],
)
def test_by_key_gives_every_pair_and_null_matches_nothing(join: str, items: Any, origins: Any) -> None:
    assert joined(join) == (items, origins)


def test_numeric_text_matches_a_number_only_where_asked() -> None:
    items, _ = joined("inner", numeric_text=True)
    assert items == [*PAIRS, {"id": "1", "name": "A"}]


def test_keys_may_be_several_paths_with_names_that_differ() -> None:
    inputs: dict[str, Items] = {
        "input1": [{"customer": {"id": 1, "shop": "x"}, "a": 1}, {"customer": {"id": 1, "shop": "y"}, "a": 2}],
        "input2": [{"customer_id": 1, "customer": {"shop": "y"}, "b": 1}],
    }
    keys = [{"field": "customer.id", "field_2": "customer_id"}, "customer.shop"]
    result = run("merge", inputs=inputs, mode="by_key", keys=keys, join="inner")
    assert result.outputs["main"] == [{"customer": {"shop": "y"}, "a": 2, "customer_id": 1, "b": 1}]
    assert result.lineage["main"] == [[1, 2]]
    path = run("merge", inputs={"input1": [{"c": {"id": 1}, "a": 1}], "input2": [{"c": {"id": 1}, "b": 2}]},
               mode="by_key", key="c.id")  # fmt: skip
    assert path.outputs["main"] == [{"c": {"id": 1}, "a": 1, "b": 2}]


def test_three_inputs_are_joined_one_after_the_other() -> None:
    inputs: dict[str, Items] = {
        "input3": [{"k": 2, "c": 1}, {"k": 1, "c": 2}],
        "input1": [{"k": 1, "a": 1}],
        "input2": [{"k": 2, "b": 1}, {"k": 1, "b": 2}],
    }
    outer = run("merge", inputs=inputs, mode="by_key", key="k")
    assert outer.outputs["main"] == [{"k": 1, "a": 1, "b": 2, "c": 2}, {"k": 2, "b": 1, "c": 1}]
    assert outer.lineage["main"] == [[2, 4, 1], [3, 0]]
    inner = run("merge", inputs=inputs, mode="by_key", key="k", join="inner")
    assert inner.outputs["main"] == [{"k": 1, "a": 1, "b": 2, "c": 2}]


@pytest.mark.parametrize(("join", "count"), [("inner", 0), ("left", 2), ("outer", 2), ("anti", 2)])
def test_an_input_without_items_is_an_empty_input(join: str, count: int) -> None:
    for mode in ({"mode": "by_key", "key": "id"}, {"mode": "by_position"}):
        result = run("merge", inputs={"input1": [{"id": 1}, {"id": 1}], "input2": []}, join=join, **mode)
        assert len(result.outputs["main"]) == count


def test_large_integers_and_floats_are_equal_by_value() -> None:
    inputs: dict[str, Items] = {
        "input1": [{"id": 10**17}, {"id": 2**53 + 1}, {"id": 0}],
        "input2": [{"id": 1e17, "b": 1}, {"id": float(2**53), "b": 2}, {"id": -0.0, "b": 3}],
    }
    result = run("merge", inputs=inputs, mode="by_key", key="id", join="inner")
    assert [item["b"] for item in result.outputs["main"]] == [1, 3]


@pytest.mark.parametrize(
    ("join", "origins"),
    [("outer", [[3, 1, 0], [4, 2], 5]), ("left", [[3, 1, 0], [4, 2], 5]), ("inner", [[3, 1, 0]]), ("anti", [5])],
)
def test_by_position_knows_what_each_item_was_made_of(join: str, origins: Any) -> None:
    inputs: dict[str, Items] = {
        "input3": [{"c": 1}],
        "input2": [{"b": 1}, {"b": 2}],
        "input1": [{"a": n} for n in "xyz"],
    }
    result = run("merge", inputs=inputs, mode="by_position", join=join)
    assert result.lineage["main"] == origins
    assert inputs["input1"] == [{"a": "x"}, {"a": "y"}, {"a": "z"}]
    if join == "outer":
        assert result.outputs["main"] == [{"a": "x", "b": 1, "c": 1}, {"a": "y", "b": 2}, {"a": "z"}]


def test_append_numbers_its_items_by_arrival() -> None:
    assert run("merge", inputs=INPUTS).lineage == {"main": [3, 4, 1, 2, 0]}
    assert run("merge", inputs={"input1": [{}], "input2": [{}, {}]}).lineage == {"main": "same"}
    assert run("merge", inputs={"input2": [{}], "input1": []}).lineage == {"main": "same"}


def test_items_of_one_unnamed_input_are_joined_with_each_other_as_before() -> None:
    items = [{"id": 1, "a": 1}, {"b": 0}, {"id": 1, "b": 2}, {"id": 1.0, "c": 3}]
    result = run("merge", *items, mode="by_key", key="id")
    assert result.outputs["main"] == [{"id": 1.0, "a": 1, "b": 2, "c": 3}, {"b": 0}]
    assert result.lineage["main"] == [[0, 2, 3], 1]
    with pytest.raises(NodeError, match=r"parameters\.join: 'inner' needs two inputs"):
        run("merge", *items, mode="by_key", key="id", join="inner")


def test_too_many_pairs_are_refused_before_they_are_made_and_many_leave_the_worker() -> None:
    same = {"input1": [{"k": 1}] * 1500, "input2": [{"k": 1}] * 1500}
    with pytest.raises(NodeError, match="2250000 items; the limit is 1000000"):
        run("merge", inputs=same, mode="by_key", key="k")
    few: dict[str, Items] = {name: [{"k": 1}] * 50 for name in ("input1", "input2")}
    with pytest.raises(BudgetExceeded):
        run_in_context("merge", few, {"inline": True}, mode="by_key", key="k")
    assert len(run("merge", inputs=few, mode="by_key", key="k").outputs["main"]) == 2500


def test_a_pair_has_the_files_of_both() -> None:
    left, right = {"k": 1, "$binary": {"a": 1, "b": 1}}, {"k": 1, "$binary": {"b": 2, "c": 2}}
    both = [{"k": 1, "$binary": {"a": 1, "b": 2, "c": 2}}]
    for mode in ("by_key", "by_position"):
        inputs: dict[str, Items] = {"input1": [left], "input2": [right], "input3": [{"k": 1}]}
        assert run("merge", inputs=inputs, mode=mode, key="k").outputs["main"] == both
    assert run("merge", left, {"k": 1}, right, mode="by_key", key="k").outputs["main"] == both


def test_a_key_is_required_when_the_workflow_is_saved() -> None:
    check = node_types()["merge"].check_parameters
    assert [problem[0] for problem in check({"mode": "by_key"})] == ["parameters.key"]
    assert not check({"mode": "by_key", "keys": ["a", {"field": "b", "field_2": "c"}]})
