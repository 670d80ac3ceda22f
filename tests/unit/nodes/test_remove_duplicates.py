from __future__ import annotations

from tests.unit.nodes.running import run


def test_the_first_of_the_same_items_stays() -> None:
    result = run("remove_duplicates", {"a": 1, "b": 2}, {"a": 2}, {"b": 2, "a": 1.0})
    assert result.outputs["main"] == [{"a": 1, "b": 2}, {"a": 2}]


def test_some_fields_decide_and_the_last_can_stay_in_its_place() -> None:
    items = [{"a": {"id": 1}, "n": 1}, {"a": {"id": 2}, "n": 2}, {"a": {"id": 1}, "n": 3}]
    result = run("remove_duplicates", *items, fields=["a.id"], keep="last")
    assert [item["n"] for item in result.outputs["main"]] == [2, 3]


def test_values_of_different_kinds_are_not_the_same() -> None:
    items = [{"v": 1}, {"v": True}, {"v": "1"}, {"v": None}, {}]
    assert run("remove_duplicates", *items, fields=["v"]).outputs["main"] == items
