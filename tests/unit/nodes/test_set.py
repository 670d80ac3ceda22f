from __future__ import annotations

import pytest
from executions.domain.errors import NodeError

from executions.nodes.registry import node_types
from tests.unit.nodes.running import run


def test_fields_are_set_for_each_item_and_the_others_are_kept() -> None:
    result = run("set", {"n": 1, "a": "x"}, {"n": 2}, fields={"n": "{{ $json.n * 10 }}", "is": "{{ $json.n > 1 }}"})
    assert result.outputs == {"main": [{"n": 10, "a": "x", "is": False}, {"n": 20, "is": True}]}


def test_the_other_fields_can_be_left_out() -> None:
    assert run("set", {"n": 1}, fields={"m": 2}, keep_other_fields=False).outputs == {"main": [{"m": 2}]}


def test_expressions_are_found_inside_lists_and_objects() -> None:
    result = run("set", {"n": 3}, fields={"deep": {"list": ["{{ $json.n }}", "n is {{ $json.n }}"]}})
    assert result.outputs["main"][0]["deep"] == {"list": [3, "n is 3"]}


def test_an_expression_that_fails_names_itself() -> None:
    with pytest.raises(NodeError, match=r"nothing\.there"):
        run("set", {}, fields={"n": "{{ $json.nothing.there }}"})


def test_an_unknown_parameter_is_named_and_so_are_those_that_there_are() -> None:
    ((path, code, said),) = node_types()["set"].check_parameters({"values": {"a": 1}})
    assert (path, code) == ("parameters.values", "extra_forbidden")
    assert said == "There is no such parameter; there are fields, keep_other_fields."
