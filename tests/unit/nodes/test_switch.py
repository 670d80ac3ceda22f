from __future__ import annotations

import pytest

from executions.nodes.registry import node_types
from tests.unit.nodes.running import run

CASES = [{"name": "big", "condition": "{{ $json.n > 9 }}"}, {"name": "some", "condition": "{{ $json.n > 0 }}"}]


def test_the_first_case_that_holds_takes_the_item_and_fallback_the_rest() -> None:
    result = run("switch", {"n": 10}, {"n": 1}, {"n": 0}, {"n": 11}, cases=CASES)
    assert result.outputs == {"big": [{"n": 10}, {"n": 11}], "some": [{"n": 1}], "fallback": [{"n": 0}]}


def test_its_outputs_are_named_by_its_cases() -> None:
    assert node_types()["switch"].output_names({"cases": CASES}) == ("big", "some", "fallback")
    assert node_types()["switch"].output_names({"cases": "nonsense"}) == ("fallback",)


def test_each_output_knows_the_items_that_it_took() -> None:
    result = run("switch", {"n": 10}, {"n": 1}, {"n": 0}, {"n": 11}, cases=CASES)
    assert result.lineage == {"big": [0, 3], "some": [1], "fallback": [2]}


@pytest.mark.parametrize(
    ("names", "path"),
    [(["a", "a"], "parameters.cases[1].name"), (["a", "fallback"], "parameters.cases[1].name"),
     (["{{ $json.a }}"], "parameters.cases[0].name")],
    ids=str,
)  # fmt: skip
def test_outputs_that_cannot_be_told_apart_are_refused_when_saved(names: list[str], path: str) -> None:
    cases = [{"name": name, "condition": "{{ $json.n }}"} for name in names]
    assert [problem[0] for problem in node_types()["switch"].check_parameters({"cases": cases})] == [path]


def test_the_condition_of_each_case_is_checked_when_saved() -> None:
    cases = [CASES[0], {"name": "always", "condition": "{{ $json.a }} > 5"}]
    assert [problem[0] for problem in node_types()["switch"].check_parameters({"cases": cases})] == [
        "parameters.cases[1].condition"
    ]
