from __future__ import annotations

from executions.domain.items import Items
from tests.unit.nodes.running import run_in_context

FIVE: Items = [{"n": n} for n in range(5)]


def turn(turns: list[Items]) -> tuple[dict[str, Items], bool]:
    result = run_in_context("loop", {"main": turns[-1]}, {"turns": turns}, batch_size=2)
    return result.outputs, result.keep_open


def test_batches_go_round_until_none_is_left_and_then_all_that_came_back_is_done() -> None:
    assert turn([FIVE]) == ({"loop": FIVE[:2]}, True)
    assert turn([FIVE, [{"a": 1}]]) == ({"loop": FIVE[2:4]}, True)
    assert turn([FIVE, [{"a": 1}], []]) == ({"loop": FIVE[4:]}, True)
    assert turn([FIVE, [{"a": 1}], [], [{"b": 1}, {"b": 2}]]) == ({"done": [{"a": 1}, {"b": 1}, {"b": 2}]}, False)
