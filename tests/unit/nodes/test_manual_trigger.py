from __future__ import annotations

from tests.unit.nodes.running import run


def test_it_hands_on_what_the_execution_was_given() -> None:
    assert run("manual_trigger", {"n": 1}, {"n": 2}).outputs == {"main": [{"n": 1}, {"n": 2}]}


def test_without_input_it_gives_one_empty_item_so_that_something_runs() -> None:
    assert run("manual_trigger").outputs == {"main": [{}]}
