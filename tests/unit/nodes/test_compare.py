from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from executions.domain.items import Items
from executions.nodes.registry import node_types
from tests.unit.nodes.running import run

Values = st.fixed_dictionaries({}, optional={"id": st.integers(0, 3), "v": st.integers(0, 1) | st.none()})


def test_items_leave_by_how_they_compare() -> None:
    one: Items = [{"id": 1, "v": "a"}, {"id": 2, "v": "a"}, {"id": 3}]
    two: Items = [{"id": 2, "v": "b", "w": 1}, {"id": 4}, {"id": 1, "v": "a"}]
    assert run("compare", inputs={"input1": one, "input2": two}, key=[{"field": "id"}]).outputs == {
        "only_1": [{"id": 3}],
        "same": [{"id": 1, "v": "a"}],
        "different": [{"input1": one[1], "input2": two[0], "different": ["v", "w"]}],
        "only_2": [{"id": 4}],
    }


def test_a_key_may_have_another_name_in_input_2_and_fields_can_be_ignored() -> None:
    inputs: dict[str, Items] = {"input1": [{"id": 1, "t": 1}], "input2": [{"user": {"id": 1}, "user_id": 1, "t": 2}]}
    outputs = run("compare", inputs=inputs, key=[{"field": "id", "field_2": "user_id"}], ignore=["t", "user"]).outputs
    assert outputs["same"] == inputs["input1"]


def test_an_input_without_items_is_empty() -> None:
    outputs = run("compare", inputs={"input2": [{"id": 1}]}, key=[{"field": "id"}]).outputs
    assert outputs == {"only_1": [], "same": [], "different": [], "only_2": [{"id": 1}]}


def test_it_waits_for_both_inputs() -> None:
    compare = node_types()["compare"]
    assert compare.join
    assert compare.input_names({}) == ("input1", "input2")


@given(st.lists(Values, max_size=8), st.lists(Values, max_size=8))
def test_every_item_leaves_by_exactly_one_output(one: Items, two: Items) -> None:
    def marked(items: Items) -> Items:
        return [{**item, "place": {"n": place}} for place, item in enumerate(items)]

    inputs = {"input1": marked(one), "input2": marked(two)}
    out: dict[str, Any] = run("compare", inputs=inputs, key=[{"field": "id"}], ignore=["place"]).outputs
    different = out["different"]
    first = [*out["only_1"], *out["same"], *(item["input1"] for item in different)]
    second = [*out["only_2"], *(item["input2"] for item in different)]
    assert sorted(item["place"]["n"] for item in first) == list(range(len(one)))
    places = [item["place"]["n"] for item in second]
    assert len(set(places)) == len(places) == len(two) - len(out["same"])
    assert all(item["input1"]["id"] == item["input2"]["id"] for item in different)
