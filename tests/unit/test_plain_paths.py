"""Templates that are read without JavaScript give what JavaScript gives, or are left to it."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain import expressions
from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.domain.plain_paths import INHERITED, NOT_PLAIN, read
from workflow_platform.core.sandbox import javascript

VARS = {"tier": "gold", "n": 2}
NAMES = ["a", "b", "c", "id", "0", "1", "length", "$x", "_y", "if", "é", "a b", *sorted(INHERITED)]
KEYS = st.sampled_from(NAMES) | st.text(max_size=3)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)  # beyond, JavaScript rounds
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
STEPS = st.one_of(
    st.sampled_from(NAMES).map(lambda name: f".{name}"),
    KEYS.map(lambda key: f"[{json.dumps(key, ensure_ascii=False)}]"),
    st.sampled_from(NAMES).map(lambda name: f"['{name}']"),
    st.integers(0, 3).map(lambda index: f"[{index}]"),
    st.sampled_from(["[00]", "[-1]", "?.a", "[0x1]", "[1.0]", "()", " .a", "[ 0 ]", "[a]", "[`a`]"]),
)
EXPRESSIONS = st.builds(
    lambda word, steps, before, after: before + word + "".join(steps) + after,
    st.sampled_from(["$json", "$vars", "$vars.tier", "$json.a", "$jsonx", "$", "$input.item.json", "json"]),
    st.lists(STEPS, max_size=4),
    st.sampled_from(["", " ", "\n", "\t", "(", "!"]),
    st.sampled_from(["", " ", "\n", "}", ";", " // x", ")"]),
)
TEXTS = st.sampled_from(["", " ", "customer ", "{", "}", "é\u2028", "\u00a0", "}}", "{{"])
TEMPLATES = st.builds(
    lambda pieces, last: "".join(text + "{{" + expression + "}}" for text, expression in pieces) + last,
    st.lists(st.tuples(TEXTS, EXPRESSIONS), min_size=0, max_size=3),
    TEXTS,
)


def evaluated(template: str, item: dict[str, Any]) -> Any:
    """Return what JavaScript gives."""
    with mock.patch.object(expressions, "passed_on", return_value=NOT_PLAIN):
        try:
            return Evaluator(ExpressionScope([item], vars=VARS), time_limit=20).resolve(template)
        except ExpressionError as error:
            return error


@given(st.dictionaries(KEYS, JSON, max_size=5), TEMPLATES)
def test_what_is_read_is_what_javascript_gives(item: dict[str, Any], template: str) -> None:
    item = orjson.loads(orjson.dumps(item))
    found = read(template, {"$json": item, "$vars": VARS})
    if found is not NOT_PLAIN:
        expected = evaluated(template, item)
        assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{{ $json.body.customer.id }}", "c1"),
        ("{{ $json['body'][\"customer\"].id }}", "c1"),
        ("{{ $json.body.list[1] }}", 7),
        ("{{$json.body.none}}", None),
        ("{{ $json.body.absent }}", None),
        ("{{ $json.body.list[9] }}", None),
        ("{{ $vars.tier }}-{{ $json.body.customer.id }}-{{ $json.body.yes }}-{{ $json.body.none }}!", "gold-c1-true-!"),
        ("no expression", "no expression"),
    ],
)
def test_common_keys_need_no_javascript(template: str, found: Any) -> None:
    item = {"body": {"customer": {"id": "c1"}, "list": [1, 7], "none": None, "yes": True}}
    assert read(template, {"$json": item, "$vars": VARS}) == found == evaluated(template, item)


@pytest.mark.parametrize(
    "expression",
    ["$json.a.length", "$json.list.length", "$json.f", "$json", "$json.none.x", "$json.toString", "1 + 1"],
)
def test_what_may_differ_is_left_to_javascript(expression: str) -> None:
    item = {"a": "text", "list": [1], "f": 1.0, "none": None}
    assert read("{{ " + expression + " }}", {"$json": item, "$vars": VARS}) is NOT_PLAIN


def test_integers_are_exact() -> None:
    item = {"big": 7615917337495251231}
    assert read("{{ $json.big }}", {"$json": item}) == 7615917337495251231
    assert read("no {{ $json.big }}", {"$json": item}) == "no 7615917337495251231"


def test_what_objects_inherit_is_known() -> None:
    names = "JSON.stringify(Object.getOwnPropertyNames(Object.prototype))"
    assert set(json.loads(javascript.context(seconds=5, memory_bytes=2**24).eval(names))) == INHERITED
