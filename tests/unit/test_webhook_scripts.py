"""Filters and transformations of endpoints: what they may return, and what they cannot do."""

from __future__ import annotations

import json

import pytest

from webhooks import transforms
from webhooks.transforms import ScriptError, TransformResult, passes, prepare, transformed

EVENT = json.dumps({"specversion": "1.0", "type": "execution.failed", "data": {"n": 3, "__proto__": {"x": 1}}})


@pytest.mark.parametrize(
    ("source", "passed"),
    [
        ("event.type === 'execution.failed'", True),
        ("event.data.n > 5", False),
        ("event.data.missing", False),
        ("event.data.n // more than nothing", True),
        ("''", False),
        ("new Boolean(false)", True),
    ],
)
def test_a_filter_is_an_expression_and_what_is_falsy_is_not_sent(source: str, passed: bool) -> None:
    assert passes(source, EVENT) is passed


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("return {n: event.data.n}", TransformResult('{"n":3}', "application/json")),
        ("return [1, 2]", TransformResult("[1,2]", "application/json")),
        ("event.data = 1; return event;", TransformResult('{"specversion":"1.0","type":"execution.failed","data":1}',
                                                   "application/cloudevents+json; charset=utf-8")),
        ("return {body: 'n=3', headers: {'content-type': 'text/x-form', 'X-N': 3}, method: 'put'}",
         TransformResult("n=3", "text/x-form", {"X-N": "3"}, "PUT")),
        ("return {body: 'plain'}", TransformResult("plain", "text/plain; charset=utf-8")),
        ("return {body: 1, text: 2}", TransformResult('{"body":1,"text":2}', "application/json")),
    ],
)  # fmt: skip
def test_a_transformation_returns_a_payload_or_body_headers_and_method(source: str, expected: TransformResult) -> None:
    assert transformed(source, EVENT) == expected


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("return 1", "an object or an array"),
        ("return 'text'", "an object or an array"),
        ("", "no JSON value"),
        ("return undefined", "no JSON value"),
        ("return {body: 1, method: 'DELETE'}", "method"),
        ("return {body: 1, headers: {'X-A': {}}}", "X-A"),
        ("return {body: 1, headers: {'X\\nA': '1'}}", "header"),
        ("return {body: 'x'.repeat(2000000)}", "more than 1048576 bytes"),
        ("return event.missing.field", "TypeError"),
        ("throw {a: 1}", '"a":1'),
        ("throw {toString() { while (true) {} }}", "Error"),
        ("while (true) {}", "longer than"),
        ("throw new (class extends Error { get message() { while (true) {} } })()", "longer than|Error"),
        ("let a = []; while (true) { a.push('x'.repeat(100000) + a.length) }", "needs more than|longer than"),
        ("function f() { return f() + 1 } return f()", "RangeError|InternalError|stack"),
        ("return require('fs')", "require"),
        ("return fetch('http://127.0.0.1')", "fetch"),
        ("return {get x() { while (true) {} }}", "longer than"),
        (
            "JSON.stringify = () => '!'; Object.prototype.toString = null; return {toJSON() { return 5 }}",
            "an object or",
        ),
    ],
)
def test_a_script_that_does_not_come_to_a_payload_is_an_error_that_says_why(source: str, said: str) -> None:
    with pytest.raises(ScriptError, match=said):
        transformed(source, EVENT)


def test_nothing_of_one_event_is_left_for_the_next() -> None:
    assert transformed("globalThis.kept = event; Array.prototype.map = null; return {a: 1}", EVENT).body == '{"a":1}'
    assert transformed("return {kept: typeof kept, map: typeof [].map}", EVENT).body == (
        '{"kept":"undefined","map":"function"}'
    )


def test_filter_first_then_transformation() -> None:
    assert prepare("event.data.n > 5", "return {}", EVENT) is False
    assert prepare("event.data.n > 1", "return {}", EVENT) == TransformResult("{}", "application/json")
    assert prepare("event.data.n > 1", "", EVENT) is None


def test_what_does_not_parse_is_found_without_running_it() -> None:
    assert transforms.check_filter("event.type === 'x'") is None
    assert transforms.check_transform("return {a: event.id}") is None
    assert "SyntaxError" in str(transforms.check_filter("return 1"))
    assert "SyntaxError" in str(transforms.check_transform("return {"))
    assert transforms.check_filter("  ") == "The script is empty."
    for sneaky in ("1)); while (true) {} ((", "1 }); while (true) {} (function () { return (1"):
        assert "SyntaxError" in str(transforms.check_filter(sneaky))
