from __future__ import annotations

import pytest

from executions.domain.errors import NodeError
from tests.unit.nodes.running import run


def test_keys_are_renamed_in_place_and_can_be_swapped() -> None:
    result = run("rename_keys", {"a": 1, "b": 2, "c": 3}, names={"a": "b", "b": "a"})
    assert list(result.outputs["main"][0].items()) == [("b", 1), ("a", 2), ("c", 3)]


def test_a_path_renames_its_last_part() -> None:
    item = {"order": {"lines": [{"sku": 1}, {"sku": 2}]}, "sku": 0}
    renamed = run("rename_keys", item, names={"order.lines.1.sku": "id"}).outputs["main"]
    assert renamed == [{"order": {"lines": [{"sku": 1}, {"id": 2}]}, "sku": 0}]


def test_patterns_apply_in_turn_to_the_keys_that_have_no_name_of_their_own() -> None:
    patterns = [{"pattern": "^X_(.+)", "replacement": r"\1_ü", "case_sensitive": False}, {"pattern": "_"}]
    result = run("rename_keys", {"x_a": 1, "x_b": {"x_c": 2}}, names={"x_a": "kept"}, patterns=patterns)
    assert result.outputs["main"] == [{"kept": 1, "bü": {"x_c": 2}}]
    result = run("rename_keys", {"l": [{"x_c": 2}]}, patterns=patterns, nested=True)
    assert result.outputs["main"] == [{"l": [{"cü": 2}]}]


def test_two_keys_of_the_same_name_are_an_error_and_no_loss() -> None:
    with pytest.raises(NodeError, match=r"the name 'b' \(item 1\)"):
        run("rename_keys", {"a": 1}, {"a": 1, "b": 2}, names={"a": "b"})


@pytest.mark.parametrize(
    ("pattern", "replacement", "named"),
    [("(", "", "pattern"), ("(?=a)", "", "pattern"), (r"(a)\1", "", "pattern"), ("a", r"\1", "replacement")],
)
def test_what_the_engine_cannot_do_is_said(pattern: str, replacement: str, named: str) -> None:
    with pytest.raises(NodeError, match=rf"parameters\.patterns\.0\.{named}"):
        run("rename_keys", {"a": 1}, patterns=[{"pattern": pattern, "replacement": replacement}])


def test_a_pattern_that_would_hang_a_backtracking_engine_takes_no_time() -> None:
    item = {"a" * 999 + "!": 1}  # backtracking would try some 2 ** 999 ways before it says no
    patterns = [{"pattern": "^(a|a|aa)+$", "replacement": "x"}]
    assert run("rename_keys", item, patterns=patterns).outputs["main"] == [item]


def test_a_key_that_grows_without_bound_is_refused() -> None:
    for key, replacement in (("a" * 100, "x" * 50), ("a" * 1001, "")):
        with pytest.raises(NodeError, match="longer than 1000"):
            run("rename_keys", {key: 1}, patterns=[{"pattern": "a", "replacement": replacement}])


def test_files_stay_where_nodes_look_for_them() -> None:
    item = {"a": 1, "$binary": {"doc": {"name": "a.pdf"}}}
    patterns = [{"pattern": "a|b|n", "replacement": "x"}]
    (renamed,) = run("rename_keys", item, patterns=patterns, nested=True).outputs["main"]
    assert renamed == {"x": 1, "$binary": {"doc": {"name": "a.pdf"}}}
