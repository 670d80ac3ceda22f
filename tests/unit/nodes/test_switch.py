from __future__ import annotations

from executions.nodes.registry import node_types
from tests.unit.nodes.running import run

CASES = [{"name": "big", "condition": "{{ $json.n > 9 }}"}, {"name": "some", "condition": "{{ $json.n > 0 }}"}]


def test_the_first_case_that_holds_takes_the_item_and_fallback_the_rest() -> None:
    result = run("switch", {"n": 10}, {"n": 1}, {"n": 0}, {"n": 11}, cases=CASES)
    assert result.outputs == {"big": [{"n": 10}, {"n": 11}], "some": [{"n": 1}], "fallback": [{"n": 0}]}


def test_its_outputs_are_named_by_its_cases() -> None:
    assert node_types()["switch"].output_names({"cases": CASES}) == ("big", "some", "fallback")
    assert node_types()["switch"].output_names({"cases": "nonsense"}) == ("fallback",)
