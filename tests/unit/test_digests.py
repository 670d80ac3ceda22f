"""Equal outputs have equal digests, however they are written; others have others."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain.digests import digest_of_outputs, keyed, workspace_key
from executions.domain.items import Item, pack
from workflow_platform.core import exact_json

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
ITEMS = st.lists(st.dictionaries(st.text(max_size=2), VALUES, max_size=2), max_size=2)


def digest(items: list[Item], output: str = "main") -> str:
    return digest_of_outputs({output: items})


def reference(value: Any) -> Any:
    """Return a value that Python compares as digests have to, with types that keep true and 1 apart."""
    if isinstance(value, dict):
        return {name: reference(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [reference(inner) for inner in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return ("number" if is_number else str(type(value)), value)


@given(ITEMS, ITEMS)
def test_digests_are_equal_exactly_if_the_items_are(one: list[Item], other: list[Item]) -> None:
    assert (digest(one) == digest(other)) == (reference(one) == reference(other))


@given(ITEMS)
def test_neither_order_of_fields_nor_form_of_numbers_nor_storage_counts(items: list[Item]) -> None:
    def written(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: written(value[name]) for name in sorted(value, reverse=True)}
        if isinstance(value, list):
            return [written(inner) for inner in value]
        return float(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else value

    assert digest(written(items)) == digest(items)
    assert digest(exact_json.read(exact_json.write(items))) == digest(items)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True), (0, -0.0, True), (2**63, 2.0**63, True), (2**63 + 1, 2.0**63, False), (1e16, 10**16, True),
        (7615917337495251231, 7615917337495251232, False), (1, True, False), (1, "1", False), (0.1, 0.10, True),
        ("a: 1.0,", "a: 1,", False), ("1e5]", "100000]", False),
    ],
)  # fmt: skip
def test_numbers_are_equal_by_value(one: Any, other: Any, equal: bool) -> None:
    assert (digest([{"n": one}]) == digest([{"n": other}])) is equal
    assert (digest([{"n": [one]}]) == digest([{"n": [other]}])) is equal


def test_large_items_in_pieces_have_the_same_digest() -> None:
    items = [{"b": float(n), "a": "x" * 300} for n in range(1_000)]
    packed, _ = pack(items)
    assert packed is not items
    assert digest_of_outputs({"main": packed, "error": []}) == digest(items)
    assert digest(items) != digest(items, "error")
    assert digest([]) == digest_of_outputs({})


def test_the_digest_is_what_the_documentation_says() -> None:
    canonical = json.dumps([{"a": 1, "b": ["é"]}], separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    inner = sha256(canonical.encode()).hexdigest()
    assert digest([{"b": ["é"], "a": 1.0}]) == sha256(f'{{"main":"{inner}"}}'.encode()).hexdigest()


def test_shown_digests_differ_between_workspaces_and_installations() -> None:
    plain = digest([{"pin": 4242}])
    shown = {keyed(plain, workspace_key(secret, workspace)) for secret in ("a", "b") for workspace in ("1", "2")}
    assert len(shown) == 4
    assert plain not in shown
    assert keyed("", b"key") == ""
