from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from executions.domain.errors import NodeError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.nodes.running import run


def ordered(values: list[Any], **by: Any) -> list[Any]:
    result = run("sort", *({"v": value} for value in values), fields=[{"field": "v", **by}])
    return [item["v"] for item in result.outputs["main"]]


def test_the_next_field_decides_among_equals_and_paths_reach_inside() -> None:
    items = [{"a": {"b": 1}, "n": 1}, {"a": {"b": 2}, "n": 2}, {"a": {"b": 1}, "n": 3}]
    fields = [{"field": "a.b"}, {"field": "n", "direction": "descending"}]
    assert [item["n"] for item in run("sort", *items, fields=fields).outputs["main"]] == [3, 1, 2]


@pytest.mark.parametrize("direction", ["ascending", "descending"])
def test_missing_and_null_come_last_in_both_directions(direction: str) -> None:
    result = run("sort", {}, {"v": 1}, {"v": None}, {"v": 2}, fields=[{"field": "v", "direction": direction}])
    assert [item.get("v") for item in result.outputs["main"]][2:] == [None, None]


def test_values_of_different_kinds_have_an_order() -> None:
    assert ordered([[1], "b", 2, True, "A", 1.5, False]) == [False, True, 1.5, 2, "A", "b", [1]]


def test_numeric_takes_texts_for_numbers_and_what_is_none_for_missing() -> None:
    assert ordered(["10", "x", 9, "1e1000", " 2.5 "], compare_as="numeric") == [" 2.5 ", 9, "10", "x", "1e1000"]


def test_natural_puts_2_before_10_however_long_the_number() -> None:
    long = "a" + "9" * 10_000
    assert ordered([long, "a10", "A2", "a"], compare_as="natural") == ["a", "A2", "a10", long]


def test_a_field_is_needed_and_named() -> None:
    with pytest.raises(NodeError, match=r"parameters\.fields"):
        run("sort", {}, fields=[])


@given(st.lists(st.tuples(st.none() | st.integers(0, 3) | st.text(max_size=2), st.integers())), st.booleans())
def test_equal_items_keep_their_order_and_none_is_lost(values: list[tuple[Any, int]], descending: bool) -> None:
    items = [{"v": value, "place": place} for place, (value, _) in enumerate(values)]
    by = {"field": "v", "direction": "descending" if descending else "ascending"}
    result = run("sort", *items, fields=[by], case_sensitive=True).outputs["main"]
    assert sorted(item["place"] for item in result) == list(range(len(items)))
    for one, other in pairwise(result):
        if one["v"] == other["v"]:
            assert one["place"] < other["place"]
