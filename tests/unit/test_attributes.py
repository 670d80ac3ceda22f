"""Attributes of executions: what can be one, and how code and expressions name them."""

from __future__ import annotations

from typing import Any

import pytest

from executions.domain.attributes import MAX_ATTRIBUTES, checked
from executions.domain.errors import NodeError
from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.sandbox.code import CodeCall, CodeResult, run


def run_code(code: str, **execution: Any) -> CodeResult:
    return run(CodeCall(code, ExpressionScope([{}], execution=execution), "all", 2, 64 * 2**20, 2**20))


def test_values_become_texts_and_a_secret_is_masked() -> None:
    given = {"customer": "42", "total": 12.5, "paid": True, "missing": None, "api_key": "abcdef"}
    assert checked(given, "parameters.attributes") == {
        "customer": "42",
        "total": "12.5",
        "paid": "true",
        "api_key": "***",
    }


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"k" * 51: 1}, "has 51 characters; at most 50"),
        ({"a:b": 1}, "is not a valid key"),
        ({"": 1}, "is not a valid key"),
        ({"a": "x" * 256}, r"\.a: the value has 256 characters; at most 255"),
        ({"a": [1]}, "it is a list"),
        ({"a": "\0"}, "cannot be stored"),
        ({f"k{n}": 1 for n in range(MAX_ATTRIBUTES + 1)}, "21 attributes; at most 20"),
    ],
)
def test_an_error_names_the_field_the_value_and_the_limit(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(NodeError, match=f"^attributes.*{problem}"):
        checked(values, "attributes")


def test_code_sets_custom_data_as_in_n8n() -> None:
    result = run_code(
        "$execution.customData.set('a', 1n); $execution.customData.setAll({b: true, c: 'x'});"
        "const {customData, id} = $execution; "
        "return [{json: {old: customData.get('old'), all: customData.getAll(), id}}]",
        id="e",
        customData={"old": "1"},
    )
    assert result.custom_data == {"a": "1", "b": "true", "c": "x"}
    assert result.items() == [{"old": "1", "all": {"old": "1", "a": "1", "b": "true", "c": "x"}, "id": "e"}]


def test_code_that_sets_too_much_fails_with_its_line() -> None:
    result = run_code("\n$execution.customData.set('a', 'x'.repeat(256)); return []")
    assert result.error is not None
    assert "$execution.customData.a: the value has 256 characters; at most 255 are allowed" in result.error
    assert "line 2" in result.error
    many = run_code("for (let n = 0; n < 1e6; n++) $execution.customData.set('k' + n, n); return []")
    assert many.error is not None
    assert "at most 20 attributes" in many.error


def test_expressions_read_custom_data_and_do_not_set_it() -> None:
    evaluator = Evaluator(ExpressionScope([{}], execution={"customData": {"customer": "42"}}))
    assert evaluator.resolve("{{ $execution.customData.get('customer') }}") == "42"
    with pytest.raises(ExpressionError, match="use the node execution_data"):
        evaluator.resolve("{{ $execution.customData.set('a', 1) }}")
