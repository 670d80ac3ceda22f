from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain.errors import NodeError
from tests.unit.nodes.running import run

SALES = [
    {"town": "Graz", "day": "2026-03-01", "amount": 10, "who": {"name": "ann"}},
    {"town": "Wien", "day": "2026-02-01", "amount": "2.5", "who": {"name": "bob"}},
    {"town": "Graz", "day": "2026-01-01", "amount": 20, "who": {"name": "ann"}},
    {"town": "Graz", "day": None, "who": {}},
]


def summary(operation: str, *items: dict[str, Any], **more: Any) -> Any:
    summaries = [{"operation": operation, "into": "made", **more}]
    return run("summarize", *(items or SALES), summaries=summaries).outputs["main"][0]["made"]


def test_each_group_is_an_item_in_the_order_of_first_appearance() -> None:
    summaries = [{"operation": "sum", "field": "amount"}, {}]
    result = run("summarize", *SALES, summaries=summaries, group_by=["town"])
    assert result.outputs["main"] == [
        {"town": "Graz", "sum_amount": 30, "count": 3},
        {"town": "Wien", "sum_amount": 2.5, "count": 1},
    ]


def test_a_missing_group_is_null_and_paths_stay_paths() -> None:
    result = run("summarize", *SALES, summaries=[{}], group_by=["who.name"])
    assert [item["who"]["name"] for item in result.outputs["main"]] == ["ann", "bob", None]


@pytest.mark.parametrize(
    ("operation", "field", "made"),
    [
        ("count", "amount", 3),
        ("count_unique", "who.name", 2),
        ("sum", "amount", 32.5),
        ("average", "amount", 32.5 / 3),
        ("min", "amount", 2.5),
        ("max", "amount", 20),
        ("min", "day", "2026-01-01"),
        ("first", "day", "2026-03-01"),
        ("last", "day", "2026-01-01"),
        ("concatenate", "who.name", "ann, bob, ann"),
        ("append", "amount", [10, "2.5", 20]),
        ("average", "nothing", None),
        ("max", "nothing", None),
        ("sum", "nothing", 0),
    ],
)
def test_values_are_summarised_without_null_and_missing(operation: str, field: str, made: Any) -> None:
    assert summary(operation, field=field) == made


def test_each_group_came_from_its_items() -> None:
    items = [{"k": "a"}, {"k": "b"}, {"k": "a"}]
    assert run("summarize", *items, summaries=[{}], group_by=["k"]).lineage == {"main": [[0, 2], [1]]}
    assert run("summarize", *items, summaries=[{}]).lineage == {"main": [[0, 1, 2]]}


def test_what_cannot_be_added_is_named() -> None:
    with pytest.raises(NodeError, match=r"parameters\.summaries\.0\.field: 'town' contains Graz"):
        summary("sum", field="town")
    with pytest.raises(NodeError, match=r"parameters\.summaries\.0\.field: sum needs a field"):
        summary("sum")


def test_a_text_without_bound_is_refused() -> None:
    with pytest.raises(NodeError, match="more than 1000000 characters"):
        summary("concatenate", *({"v": "x" * 1000} for _ in range(1001)), field="v")


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_sums_are_json_numbers_whatever_is_added(values: list[int | float]) -> None:
    if sum(map(abs, map(Fraction, values))) >= 2**1023:
        return  # more than a number can hold, which is an error that another test looks at
    made = summary("sum", *({"v": value} for value in values), field="v")
    assert isinstance(made, float) or abs(made) < 2**63


def test_a_sum_beyond_the_largest_number_is_an_error() -> None:
    with pytest.raises(NodeError, match="too large for a number"):
        summary("sum", {"v": 1.7e308}, {"v": 1.7e308}, field="v")
