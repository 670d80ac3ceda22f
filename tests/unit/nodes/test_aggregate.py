from __future__ import annotations

from tests.unit.nodes.running import run


def test_whole_items_are_gathered_into_one() -> None:
    assert run("aggregate", {"n": 1}, {"n": 2}).outputs == {"main": [{"items": [{"n": 1}, {"n": 2}]}]}


def test_a_field_is_gathered_under_its_name_or_another() -> None:
    assert run("aggregate", {"n": 1}, {}, field="n").outputs == {"main": [{"n": [1, None]}]}
    assert run("aggregate", {"n": 1}, field="n", into="all").outputs == {"main": [{"all": [1]}]}
