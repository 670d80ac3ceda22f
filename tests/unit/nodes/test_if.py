from __future__ import annotations

from typing import Any

import pytest

from tests.unit.nodes.running import run


def test_each_item_goes_its_own_way() -> None:
    result = run("if", {"n": 1}, {"n": 2}, {"n": 3}, condition="{{ $json.n % 2 }}")
    assert result.outputs == {"true": [{"n": 1}, {"n": 3}], "false": [{"n": 2}]}


@pytest.mark.parametrize(
    ("value", "holds"),
    [(0, False), ("", False), (None, False), (False, False), ("0", True), ([], True), ({}, True), (-1, True)],
)
def test_a_value_is_true_where_javascript_says_so(value: Any, holds: bool) -> None:
    assert run("if", {"v": value}, condition="{{ $json.v }}").outputs["true" if holds else "false"]
