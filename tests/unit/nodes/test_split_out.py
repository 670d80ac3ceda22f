from __future__ import annotations

from typing import Any

import pytest

from executions.nodes.registry import node_types
from tests.unit.nodes.running import run, run_in_context


def test_each_element_becomes_an_item() -> None:
    result = run("split_out", {"list": [{"a": 1}, 2]}, {"list": []}, {"list": ["x"]}, field="list")
    assert result.outputs == {"main": [{"a": 1}, {"list": 2}, {"list": "x"}]}
    assert result.lineage == {"main": [0, 0, 2]}


@pytest.mark.parametrize(
    ("item", "parameters", "items"),
    [
        ({"data": {"items": [{"a": 1}, {"a": 2}]}}, {"field": "data.items"}, [{"a": 1}, {"a": 2}]),
        ({"data": {"items": [1]}}, {"field": "data.items"}, [{"data": {"items": 1}}]),
        ({"a.b": [1]}, {"field": "a.b"}, [{"a.b": 1}]),
        ({"a.b": [1], "c": 2}, {"field": "a.b", "keep_other_fields": True}, [{"a.b": 1, "c": 2}]),
        ({"l": [1, {"a": 2}], "c": 3}, {"field": "l", "into": "one.x"}, [{"one": {"x": 1}}, {"one": {"x": {"a": 2}}}]),
        ({"m": {"a": {"x": 1}, "b": {"x": 2}}}, {"field": "m"}, [{"x": 1}, {"x": 2}]),
        ({"m": {"a": 1}}, {"field": "m"}, [{"m": 1}]),
        ({"l": "x"}, {"field": "l"}, [{"l": "x"}]),
        ({"l": [[1, 2]]}, {"field": "l"}, [{"l": [1, 2]}]),
        ({"id": 7, "l": [{"a": 1}]}, {"field": "l", "keep_other_fields": True}, [{"id": 7, "l": {"a": 1}}]),
        (
            {"id": 7, "o": {"l": [1, 2], "k": 0}},
            {"field": "o.l", "into": "one", "keep_other_fields": True},
            [{"id": 7, "o": {"k": 0}, "one": 1}, {"id": 7, "o": {"k": 0}, "one": 2}],
        ),
        ({"a": [1, 2], "b": [3]}, {"fields": ["a", {"field": "b", "into": "c"}]}, [{"a": 1, "c": 3}, {"a": 2}]),
        (
            {"a": [1, 2], "b": [3], "id": 7},
            {"field": "a", "fields": ["b"], "keep_other_fields": True},
            [{"a": 1, "b": 3, "id": 7}, {"a": 2, "id": 7}],
        ),
        ({"a": []}, {"field": "a", "keep_other_fields": True}, []),
    ],
    ids=str,
)
def test_lists_and_objects_are_split(item: dict[str, Any], parameters: dict[str, Any], items: Any) -> None:
    assert run("split_out", item, **parameters).outputs.get("main", []) == items


def test_a_missing_list_gives_nothing_but_a_line_in_the_log_and_null_gives_null() -> None:
    said: list[tuple[str, str]] = []
    inputs = {"main": [{"l": [1]}, {"l": None}, {}, {"l": []}, {}]}
    result = run_in_context("split_out", inputs, {"log": lambda *line: said.append(line)}, field="l")
    assert result.outputs == {"main": [{"l": 1}, {"l": None}]}
    assert said == [("warning", "'l' is missing in 2 items, the first of them item 2.")]


def test_a_field_is_required_when_the_workflow_is_saved() -> None:
    check = node_types()["split_out"].check_parameters
    assert [problem[:2] for problem in check({})] == [("parameters.field", "missing")]
    assert not check({"fields": ["a"]})


def test_the_files_of_an_item_are_split_into_items_with_one_file_each() -> None:
    item = {"a": 1, "$binary": {"one": {"name": "1"}, "two": {"name": "2"}}}
    alone = [{"$binary": {"one": {"name": "1"}}}, {"$binary": {"two": {"name": "2"}}}]
    assert run("split_out", item, field="$binary").outputs["main"] == alone
    kept = run("split_out", item, field="$binary", keep_other_fields=True).outputs["main"]
    assert kept == [{"a": 1} | each for each in alone]
