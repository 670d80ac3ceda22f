"""Where an expression ends is told by the syntax of JavaScript."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain.expression_ends import expressions_in
from executions.domain.expressions import Evaluator, ExpressionScope
from executions.domain.syntax import check_syntax
from workflow_platform.core.sandbox.javascript import Parser


def texts(template: str) -> list[str]:
    return [template[begin:end] for begin, end in expressions_in(template)]


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ JSON.stringify({a:{b:1}}) }}", '{"a":{"b":1}}'),
        ('{{ "}}" + $json.x }}', "}}1"),
        ("{{ '}}' }}{{ 'x' }}", "}}x"),
        ("Hello {{ '{{' }}name", "Hello {{name"),
        ("{{ '{{name}}' }}", "{{name}}"),
        ("{{ `a${ {b:{c:1}}.b.c }}}` }}", "a1}}"),
        ("{{ `${`${ 1 }}}`}` }}", "1}}"),
        ("{{ /}}|{{/.test('}}') }}", True),
        ("{{ /[/}}]/.test('}') }}", True),
        ("{{ /* }} */ 1 }}", 1),
        ("{{ [1, // }}\n2].length }}", 2),
        ("{{ $json.x // the number }}", 1),
        ("{{ $json.x // one }} and {{ $json.x /* two */ }}", "1 and 1"),
        ("{{ 6 / 2 }} / {{ 4 / 2 }}", "3 / 2"),
        ("{{ ({a:{b:2}}).a.b / 2 }}", 1),
        ("{{ (() => { if ($json.x) { return {a:{}} }})() }}", {"a": {}}),
        ("{{ {a: 1}}}", {"a": 1}),
        ('{{ "\\"}}" }}', '"}}'),
        ("{{ $json.x }}}}", "1}}"),
        ("{{ $json.x }} it's {{ $json.x }}", "1 it's 1"),
        ("a }} b {{ $json.x }}", "a }} b 1"),
    ],
)
def test_closing_braces_inside_of_javascript_do_not_end_an_expression(template: str, value: object) -> None:
    assert check_syntax(template) is None
    assert Evaluator(ExpressionScope([{"x": 1}])).resolve(template) == value


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{ it's }} and {{ 'b' }}", "{{ it's }}"),
        ("{{ f( }} and {{ 1 }}", "{{ f( }}"),
        ("{{ { a: 1 }} {{ 1 }}", "{{ { a: 1 }}"),
        ("{{ `a }} {{ 1 }}", "{{ `a }}"),
        ("{{ 1 }} {{ ) }}", "{{ ) }}"),
    ],
)
def test_the_error_of_an_expression_that_is_not_whole_shows_that_expression(template: str, shown: str) -> None:
    problem = check_syntax(template)
    assert problem is not None
    assert shown in problem


@pytest.mark.parametrize("template", ["a {{ b", "{{ 1 }} {{ 2", "{{ '{{' }} {{"])
def test_an_expression_that_is_not_closed_is_refused(template: str) -> None:
    assert check_syntax(template) == "An expression starts with {{ but has no closing }}."


PIECES = st.lists(
    st.sampled_from([
        "{", "}", "}}", "{{", "(", ")", "[", "]", "'", '"', "`", "${", "/", "//", "/*", "*/", "\\", "\n", " ", "a", "1",
        ",", ":", "+", "=>", ".", "return", "'}}'", "`}}`", "/}}/", "/* }} */", "{a:{}}", "typeof ",
    ]),
    max_size=12,
)  # fmt: skip


@given(PIECES)
def test_an_expression_ends_at_the_first_braces_where_it_is_whole(pieces: list[str]) -> None:
    """The reference tries each `}}`: the first before which QuickJS finds one whole expression."""
    template = "{{" + "".join(pieces) + "}}"
    parser = Parser()
    ends = [at for at in range(2, len(template) - 1) if template.startswith("}}", at)]
    whole = [at for at in ends if template[2:at].strip() and parser.problem("expression", template[2:at]) is None]
    if whole:
        assert expressions_in(template)[0] == (0, whole[0] + 2)


@pytest.mark.parametrize(
    "piece", ["{{ { }}", "{{ /[ }}", "{{ ` }}", "{{ ' }}", "{{ /* }}", "{{ // }}", "{{ a // }}", "{{ `${` }}", "{{ ((/"]
)
def test_a_long_template_is_scanned_in_proportion_to_its_length(piece: str) -> None:
    """A scan to the end for each opening would take minutes: the time limit of tests ends that."""
    assert len(expressions_in(piece * 20_000 + "}}")) <= 20_001
