"""Conditions, as the nodes if, filter and switch take them."""

from __future__ import annotations

from typing import Any

import pytest

from executions.nodes.conditions import problem_of, truthy
from executions.nodes.registry import node_types


@pytest.mark.parametrize("condition", ["{{ $json.a > 5 }}", "  {{ $json.a }}\n", True, False, "{{ false }}"])
def test_one_expression_is_a_condition(condition: Any) -> None:
    assert problem_of(condition) is None


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("{{ $json.a }} > 5", "outside of its braces"),
        ("not {{ $json.a }}", "outside of its braces"),
        ("{{ $json.a }}{{ $json.b }}", "outside of its braces"),
        ("$json.a > 5", "Write {{ $json.a > 5 }}"),
        ("=$json.a > 5", "Write {{ $json.a > 5 }}"),
        ("True", "Write true."),
        ("no", "Write false."),
        ("", "without an expression"),
        (1, "no expression"),
        (None, "no expression"),
        ({"left": "{{ $json.a }}"}, "no expression"),
        (["{{ $json.a }}"], "no expression"),
    ],
    ids=str,
)
def test_what_is_always_true_is_refused_when_saved(condition: Any, said: str) -> None:
    for type_ in ("if", "filter"):
        ((path, code, message),) = node_types()[type_].check_parameters({"condition": condition})
        assert (path, code) == ("parameters.condition", "condition")
        assert said in message


@pytest.mark.parametrize("type_", ["if", "filter"])
def test_a_missing_condition_is_named_once(type_: str) -> None:
    assert [problem[:2] for problem in node_types()[type_].check_parameters({})] == [
        ("parameters.condition", "missing")
    ]


@pytest.mark.parametrize("value", ["false", "False", " FALSE ", False, None, 0, ""])
def test_the_text_false_of_a_form_is_false(value: Any) -> None:
    assert truthy(value) is False


@pytest.mark.parametrize("value", ["true", "no", "0", "falsehood", " ", [], {}, [False], -1, 0.5])
def test_everything_else_is_true_where_javascript_says_so(value: Any) -> None:
    assert truthy(value) is True
