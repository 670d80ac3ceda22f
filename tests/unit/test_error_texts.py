"""Errors of JavaScript as authors see them: what was called, of what, and what was probably meant."""

from __future__ import annotations

import pytest

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope

SCOPE = ExpressionScope([{"name": "Ada", "list": [1], "nothing": None}], surroundings={"timezone": "UTC"})


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("$json.name.toUppercase()", "$json.name.toUppercase is not a function; do you mean toUpperCase?"),
        ("$json.list\n  .uniq()", "$json.list\n  .uniq()"),
        ("$json.list[0].toUpperCase()", "$json.list[0].toUpperCase is not a function; toUpperCase() is for texts"),
        ("$json.name.map(x => x)", "$json.name.map is not a function; map() is for lists"),
        ("$json.list.map(x => x.foo())", "x.foo is not a function"),
        ("JSON.stringfy($json)", "JSON.stringfy is not a function; do you mean stringify?"),
        ("DateTime.fromIso('2024-01-01')", "DateTime.fromIso is not a function; do you mean fromISO?"),
        ("$input.frist()", "$input.frist is not a function; do you mean first?"),
        ("$json.nothing.name", "cannot read property 'name' of null: $json.nothing is null"),
        ("$json.a.b.toUpperCase()", "cannot read property 'b' of undefined: $json.a is undefined"),
        ("$jsn.name", "$jsn is not defined; do you mean $json?"),
        ("(1)()", "a value that is called is not a function"),
        ("(function f(n) { return f(n + 1) + 1 })(0)", "the stack of 512 KiB is used up"),
        ("(q => { for (let i = 0; i < 1100; i++) q = [q]; return q })([])", "nested more than 1,024 levels deep"),
        ("(o => { o.self = o; return o })({})", "circular reference"),
    ],
)
def test_an_error_says_what_is_wrong_and_what_was_meant(expression: str, said: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        Evaluator(SCOPE).resolve(f"{{{{ {expression} }}}}")
    assert said in str(raised.value)


def test_an_error_knows_where_its_expression_is() -> None:
    with pytest.raises(ExpressionError) as raised:
        Evaluator(SCOPE).resolve({"fields": [{"a": 1}, {"b": "{{ nobody.knows }}"}]})
    assert raised.value.path == ["fields", 1, "b"]
