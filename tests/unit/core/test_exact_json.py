"""One rule for JSON: exact integers, doubles for the rest, whole characters, and no number that is none."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_platform.core import exact_json
from workflow_platform.core.exact_json import NotJson

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=4),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"7615917337495251231", 7615917337495251231),
        (b"[18446744073709551615, -9223372036854775808]", [2**64 - 1, -(2**63)]),
        (b"18446744073709551616", 2.0**64),
        (b"-9223372036854775809", -(2.0**63)),
        (b'{"wei": 1e20}', {"wei": 1e20}),
        (b"100000000000000000000", 1e20),
        (b"1e-400", 0.0),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (rb'"ab\ud83d"', "ab\ufffd"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'{"\ud83d\ude00\ud83d": "\ud83d\ude00", "n": 7615917337495251231}',
         {"😀\ufffd": "😀", "n": 7615917337495251231}),
        (b'"\xed\xa0\xbd"', "\ufffd"),
        (b'"\xed\xa0\xbd\xed\xb8\x80"', "😀"),
        ('"\ud83d"', "\ufffd"),
        ('\ufeff"a"', "a"),
    ],
)  # fmt: skip
def test_what_is_read(text: bytes | str, value: Any) -> None:
    assert exact_json.read(text) == value
    assert [type(value)] == [type(exact_json.read(text))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"a":\n 1e400}', "the number is too large (the largest is about 1.8e308): line 2 column 2"),
        (b"[NaN]", "line 1 column 2"),
        (rb'["\ud83d", Infinity]', "line 1 column"),
        (b'"\xff"', "not valid UTF-8"),
        (rb'"\ud83d', "line 1"),
        (b"[" * 5000 + rb'"\ud83d"' + b"]" * 5000, "line 1"),
    ],
)
def test_what_is_refused_says_where(text: bytes, said: str) -> None:
    with pytest.raises(NotJson) as caught:
        exact_json.read(text)
    assert said in str(caught.value)


@given(TREES)
def test_what_python_made_is_written_and_read_as_the_rule_says(value: Any) -> None:
    text = exact_json.write(value)
    assert exact_json.read(text) == exact_json.normal(value)
    assert exact_json.normal(exact_json.normal(value)) == exact_json.normal(value)


def test_fields_keep_their_order() -> None:
    names = ["name", "id", "10", "9", "zip", "b"]
    assert list(exact_json.read(exact_json.write(dict.fromkeys(names, "\ud83d")))) == names


def test_what_is_no_number_is_null_as_in_javascript_and_what_is_no_json_is_refused() -> None:
    assert exact_json.write([nan, inf]) == b"[null,null]"
    for value in (object(), {1: 2}, 10**400):
        with pytest.raises(TypeError):
            exact_json.write(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (-0.0, "0"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1.5e-7, "1.5e-7"),
        (-123456789012345680000.0, "-123456789012345680000"), (2.5, "2.5"), ("1.0", '"1.0"'),
        ({"a": [1.0, {"b": 7615917337495251231}]}, '{"a":[1,{"b":7615917337495251231}]}'),
    ],
)  # fmt: skip
def test_texts_have_numbers_as_javascript_writes_them(value: Any, text: str) -> None:
    assert exact_json.javascript_text(value) == text


def test_numbers_that_earlier_versions_stored_are_read() -> None:
    stored = json.dumps({"a": 10**400, "b": 10**20, "c": 1.5, "d": 2**63})
    assert exact_json.read_stored(stored) == {"a": None, "b": 1e20, "c": 1.5, "d": 2**63}
    assert exact_json.read_stored(orjson.dumps({"a": 1}).decode()) == {"a": 1}
