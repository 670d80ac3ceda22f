from __future__ import annotations

from tests.unit.nodes.running import run


def test_it_keeps_the_items_that_meet_the_condition_in_their_order() -> None:
    result = run("filter", {"n": 3}, {"n": 1}, {"n": 2}, condition="{{ $json.n > 1 }}")
    assert result.outputs == {"main": [{"n": 3}, {"n": 2}]}
