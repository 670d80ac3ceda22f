"""The methods that n8n adds to text, lists, numbers, objects and dates."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.domain.extension_calls import extended
from executions.sandbox.evaluation import run as run_code

ITEM = {"list": [{"a": "x y"}], "text": "it is", "none": None, "values": 1, "odd": {"keys": [3, 1]}}


def resolved(expression: str) -> Any:
    return Evaluator(ExpressionScope([ITEM])).resolve(f"{{{{ {expression} }}}}")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # chains, and operands of every kind
        ("$json.list.first().a.toTitleCase()", "X Y"),
        ("`a ${ [1, 2].last() } b`.toTitleCase()", "A 2 B"),
        ("[...$json.list.pluck('a')].first()", "x y"),
        ("(x => x.toSnakeCase())('A b')", "a_b"),
        ("new Date(0).toDateTime().toUTC().year", 1970),
        ("!$json.none.isEmpty() || typeof $json.text.isEmpty()", "boolean"),
        ("1.255.round(1) + [1,2][1].floor() /* .first() */ + '.first()'.length", 11.3),
        ("/a/g.flags.isEmpty()", False),
        ("$json['odd']['keys'].max()", 3),
        ("{a: 1}.keys()", ["a"]),
        ("$json . text . toTitleCase ( )", "It Is"),
        ("true ? .5 : [1].first()", 0.5),
        # an optional call, and what follows it
        ("$json.missing?.first().name.text", None),
        ("$json.missing?.deep.first()", None),
        ("$json.list?.first()?.a", "x y"),
        # fields with names of methods
        ("$json.values + $json.odd.keys.length + ($json.merge ?? 1)", 4),
        ("Object.keys($json).length + Math.max(1, 2) + [[1, 2]].flat().max()", 9),
        ("new Map([[1, 2]]).keys().next().value", 1),
        ("$input.first().json.text", "it is"),
        # null and undefined
        ("[$json.none.isEmpty(), $json.missing.isNotEmpty()]", [True, False]),
        # $if evaluates one of its values
        ("$if($json.none, $json.none.x, $if(true, 'b', $json.none.x))", "b"),
        ("$if(false, 1)", False),
        ("$json.list.map(i => $if(i.a.isEmpty(), 'no', [i.a, ','].first()))", ["x y"]),
    ],
)
def test_methods_are_called_on_values_of_every_kind(expression: str, value: Any) -> None:
    assert resolved(expression) == value


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("(5).toTitleCase()", "toTitleCase() is for texts; it is called on a number"),
        ("$json.none.first()", "first() is for lists; it is called on null"),
        ("[1, 'a'].sum()", 'sum() needs numbers; element 1 is "a"'),
        ("'x'.toNumber()", 'the text "x" is not a number'),
        ("'{'.parseJson()", "the text is not JSON"),
        ("'a'.hash('md4')", "hash() knows md5, sha1"),
        ("'x'.toDateTime()", 'the text "x" is not a date'),
        ("[1].chunk(0)", "chunk() needs a whole number from 1"),
        ("$ifEmpty(1)", "$ifEmpty needs two arguments"),
        ("$json.text.first(", "SyntaxError"),
    ],
)
def test_wrong_use_is_an_error_in_words(expression: str, said: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        resolved(expression)
    assert said in str(raised.value)


@pytest.mark.parametrize("source", ["$json.first", "'.first()'", "$input.first()", "Math.round(1)"])
def test_other_sources_stay_as_they_are(source: str) -> None:
    assert extended(source) == source


PEOPLE = {
    "people": [
        {"name": "Ann", "age": 30, "tags": ["a", "b"]},
        {"name": "Bob", "age": 20, "tags": ["b"]},
        {"name": "Cid", "tags": []},
    ],
    "one two": {"x": {"n": 1}, "y": {"n": 2}},
    "numbers": [3, 1, 2],
}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("people[0].name", "Ann"),
        ("people[-1].name", "Cid"),
        ("people[*].age", [30, 20]),
        ("people[].tags[]", ["a", "b", "b"]),
        ("people[:2].name", ["Ann", "Bob"]),
        ("people[::-1].name", ["Cid", "Bob", "Ann"]),
        ("people[?age > `20`].name", ["Ann"]),
        ("people[?age >= `20` && name != 'Ann'].name | [0]", "Bob"),
        ("people[?contains(tags, 'b')].name", ["Ann", "Bob"]),
        ("people[?!age].name", ["Cid"]),
        ("people[*].{n: name, first: tags[0]}[1]", []),
        ("people[*].{n: name, first: tags[0]} | [1]", {"n": "Bob", "first": "b"}),
        ("people[0].[name, age]", ["Ann", 30]),
        ('"one two".*.n', [1, 2]),
        ("sort(numbers)", [1, 2, 3]),
        ("sort_by(people[?age], &age)[0].name", "Bob"),
        ("max_by(people[?age], &age).name", "Ann"),
        ("map(&name, people)", ["Ann", "Bob", "Cid"]),
        ("sum(numbers) ", 6),
        ("join(', ', people[].name)", "Ann, Bob, Cid"),
        ("length(people)", 3),
        ("not_null(missing, numbers[0])", 3),
        ("missing || 'other'", "other"),
        ("missing.deep[0].x", None),
        ('keys("one two")', ["x", "y"]),
        ("@.numbers[1]", 1),
        ("to_string(numbers)", "[3,1,2]"),
        ("type(people)", "array"),
        ("(people[*].name)[0]", "Ann"),
    ],
)
def test_jmespath_queries_json(query: str, value: Any) -> None:
    assert Evaluator(ExpressionScope([PEOPLE | {"q": query}])).resolve("{{ $jmespath($json, $json.q) }}") == value


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("people[", "expected a number"),
        ("people..x", "expected a name after . at character 8"),
        ("nope(@)", "there is no function nope"),
        ("sum(people[0].name)", "sum() needs array, not string"),
        ("a ? b", "unexpected character"),
    ],
)
def test_a_query_that_is_not_valid_says_where(query: str, said: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        Evaluator(ExpressionScope([PEOPLE | {"q": query}])).resolve("{{ $jmespath($json, $json.q) }}")
    assert said in str(raised.value)


def test_code_has_the_functions_too() -> None:
    head = {
        "items": 0,
        "each": -1,
        "time_limit": 5,
        "memory_limit": 2**26,
        "tolerant": False,
        "output_limit": 2**20,
        "words": ["__items"],
        "nodes": [],
    }
    code = "return [{a: $jmespath({b: [1]}, 'b[0]'), c: $ifEmpty('', $max(1, 2))}]"
    parts = run_code([orjson.dumps(head | {"surroundings": {}}), code.encode(), b"[]"])
    assert parts[1] == b'[{"a":1,"c":2}]'
