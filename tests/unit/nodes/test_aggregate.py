from __future__ import annotations

import pytest

from executions.domain.errors import NodeError
from tests.unit.nodes.running import run


def test_whole_items_are_gathered_into_one() -> None:
    assert run("aggregate", {"n": 1}, {"n": 2}).outputs == {"main": [{"items": [{"n": 1}, {"n": 2}]}]}


def test_a_field_is_gathered_under_its_name_or_another() -> None:
    assert run("aggregate", {"n": 1}, {}, field="n").outputs == {"main": [{"n": [1, None]}]}
    assert run("aggregate", {"n": 1}, field="n", into="all").outputs == {"main": [{"all": [1]}]}


def test_fields_are_paths_and_each_has_its_own_list() -> None:
    items = [{"who": {"name": "ann"}, "n": [1, 2]}, {"who": None, "n": [3]}, {}]
    fields = ["who.name", {"field": "n", "into": "all.n"}]
    result = run("aggregate", *items, fields=fields)
    assert result.outputs["main"] == [{"who": {"name": ["ann", None, None]}, "all": {"n": [[1, 2], [3], None]}}]
    assert result.lineage == {"main": [[0, 1, 2]]}
    merged = run("aggregate", *items, fields=fields, keep_missing=False, merge_lists=True)
    assert merged.outputs["main"] == [{"who": {"name": ["ann"]}, "all": {"n": [1, 2, 3]}}]


def test_a_name_with_a_dot_stays_a_name() -> None:
    assert run("aggregate", {"a.b": 1}, {"a.b": 2}, field="a.b").outputs["main"] == [{"a.b": [1, 2]}]


def test_two_lists_of_one_name_are_refused() -> None:
    with pytest.raises(NodeError, match=r"two lists would have the name 'a'"):
        run("aggregate", {"a": 1}, field="a", fields=[{"field": "b", "into": "a"}])
