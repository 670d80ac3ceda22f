from __future__ import annotations

from tests.unit.nodes.running import run


def test_it_hands_its_items_on() -> None:
    assert run("no_op", {"n": 1}).outputs == {"main": [{"n": 1}]}
