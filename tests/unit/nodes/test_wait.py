from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from executions.domain.errors import NodeError
from executions.domain.expressions import Evaluator, ExpressionScope
from executions.models import WaitKind
from executions.nodes.registry import node_types
from tests.unit.nodes.running import run, run_in_context


def test_it_asks_to_be_run_again_after_a_time() -> None:
    before = datetime.now(UTC)
    wait = run("wait", {"n": 1}, seconds=60).wait_for
    assert wait is not None
    assert wait.until is not None
    until = wait.until
    assert before + timedelta(seconds=60) <= until <= datetime.now(UTC) + timedelta(seconds=60)


def test_it_asks_to_be_run_again_at_a_time() -> None:
    result = run("wait", {"at": "2030-01-02T03:04:05+01:00"}, until="{{ $json.at }}")
    assert result.wait_for is not None
    assert result.wait_for.until == datetime(2030, 1, 2, 2, 4, 5, tzinfo=UTC)


def test_run_again_it_hands_its_items_on() -> None:
    result = run_in_context("wait", {"main": [{"n": 1}]}, {"resumed": True}, seconds=60)
    assert (result.outputs, result.wait_for) == ({"main": [{"n": 1}]}, None)


@pytest.mark.parametrize("parameters", [{}, {"seconds": 1, "until": "2030-01-01T00:00:00Z"}, {"seconds": -1}])
def test_neither_both_nor_the_past_is_accepted(parameters: dict[str, object]) -> None:
    with pytest.raises(NodeError, match="parameters"):
        run("wait", {}, **parameters)


def test_a_wait_for_a_call_goes_on_with_it() -> None:
    wait = run("wait", {"n": 1}, webhook=True).wait_for
    assert wait is not None
    assert (wait.kind, wait.until) == (WaitKind.WEBHOOK, None)
    context = {"resumed": True, "outcome": {"body": 1}}
    assert run_in_context("wait", {"main": [{"n": 1}]}, context, webhook=True).outputs == {"main": [{"body": 1}]}


def test_without_a_call_in_time_it_fails_or_hands_its_items_on() -> None:
    late = {"resumed": True, "outcome": None}
    with pytest.raises(NodeError, match="No call was received within 5 s"):
        run_in_context("wait", {"main": [{"n": 1}]}, late, webhook=True, timeout_seconds=5)
    handed = run_in_context("wait", {"main": [{"n": 1}]}, late, webhook=True, timeout_seconds=5, on_timeout="continue")
    assert handed.outputs == {"main": [{"n": 1}]}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "parameters"),
        ({"seconds": 1, "webhook": True}, "parameters"),
        ({"seconds": 1, "timeout_seconds": 1}, "parameters.timeout_seconds"),
        ({"seconds": -1}, "parameters.seconds"),
    ],
)
def test_what_makes_no_sense_is_a_problem_with_its_field(parameters: dict[str, object], field: str) -> None:
    assert [path for path, _, _ in node_types()["wait"].check_parameters(parameters)] == [field]


def test_a_time_without_an_offset_is_in_the_time_zone_of_the_workflow() -> None:
    scope = ExpressionScope([{}], surroundings={"timezone": "Asia/Tokyo"})
    result = run_in_context("wait", {"main": [{}]}, {"evaluator": Evaluator(scope)}, until="2030-01-02T03:04:05")
    assert result.wait_for is not None
    assert result.wait_for.until == datetime(2030, 1, 1, 18, 4, 5, tzinfo=UTC)
