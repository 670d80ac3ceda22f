from __future__ import annotations

from typing import Any

import pytest

from executions.domain.errors import NodeError
from executions.nodes.registry import node_types
from tests.unit.nodes.running import run


def test_fields_are_set_for_each_item_and_the_others_are_kept() -> None:
    result = run("set", {"n": 1, "a": "x"}, {"n": 2}, fields={"n": "{{ $json.n * 10 }}", "is": "{{ $json.n > 1 }}"})
    assert result.outputs == {"main": [{"n": 10, "a": "x", "is": False}, {"n": 20, "is": True}]}


def test_the_other_fields_can_be_left_out() -> None:
    assert run("set", {"n": 1}, fields={"m": 2}, keep_other_fields=False).outputs == {"main": [{"m": 2}]}


@pytest.mark.parametrize(
    ("item", "fields", "result"),
    [
        ({"a": {"c": 2}}, {"a.b": 1}, {"a": {"c": 2, "b": 1}}),
        ({}, {"a.b.c": 1, "a.b.d": 2}, {"a": {"b": {"c": 1, "d": 2}}}),
        ({"a": None}, {"a.b": 1}, {"a": {"b": 1}}),
        ({"l": [{"x": 1}, {"x": 2}]}, {"l.1.x": 3}, {"l": [{"x": 1}, {"x": 3}]}),
        ({"a.b": 0, "a": {"b": 7}}, {"a.b": 1}, {"a.b": 1, "a": {"b": 7}}),
        ({}, {"Nr.": 1, "...": 2, ".a": 3}, {"Nr.": 1, "...": 2, ".a": 3}),
    ],
    ids=str,
)
def test_a_name_with_dots_is_a_path(item: dict[str, Any], fields: dict[str, Any], result: Any) -> None:
    before = repr(item)
    assert run("set", item, fields=fields).outputs == {"main": [result]}
    assert repr(item) == before


def test_dot_notation_can_be_turned_off() -> None:
    result = run("set", {"a": {"c": 2}}, fields={"a.b": 1}, dot_notation=False)
    assert result.outputs == {"main": [{"a": {"c": 2}, "a.b": 1}]}
    assert run("set", {"a": {"c": 2}}, fields={"a.b": 1}, keep_other_fields=False).outputs == {
        "main": [{"a": {"b": 1}}]
    }


def test_a_path_through_a_text_is_said_with_its_item() -> None:
    with pytest.raises(
        NodeError, match=r"parameters\.fields: 'a\.b' cannot be set: 'a' exists and is not an object \(item 1\)"
    ):
        run("set", {}, {"a": "x"}, fields={"a.b": 1})
    with pytest.raises(NodeError, match=r"a path of 502 characters; the limit is 500"):
        run("set", {}, fields={"a" + ".b" * 250 + "c": 1})


def test_expressions_are_found_inside_lists_and_objects() -> None:
    result = run("set", {"n": 3}, fields={"deep": {"list": ["{{ $json.n }}", "n is {{ $json.n }}"]}})
    assert result.outputs["main"][0]["deep"] == {"list": [3, "n is 3"]}


def test_an_expression_that_fails_names_itself() -> None:
    with pytest.raises(NodeError, match=r"nothing\.there"):
        run("set", {}, fields={"n": "{{ $json.nothing.there }}"})


def test_an_unknown_parameter_is_named_and_so_are_those_that_there_are() -> None:
    ((path, code, said),) = node_types()["set"].check_parameters({"values": {"a": 1}})
    assert (path, code) == ("parameters.values", "extra_forbidden")
    assert said == "Unknown parameter. Known parameters: fields, keep_other_fields, dot_notation."
