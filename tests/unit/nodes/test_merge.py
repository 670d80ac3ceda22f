from __future__ import annotations

import pytest
from executions.domain.errors import NodeError

from executions.nodes.base import Items
from tests.unit.nodes.running import run

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
