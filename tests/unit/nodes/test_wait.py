from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from executions.nodes.base import NodeError
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
