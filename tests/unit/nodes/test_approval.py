from __future__ import annotations

from typing import Any

import pytest

from executions.nodes.registry import node_types
from tests.unit.nodes.running import run_in_context

DECIDED = {"decision": "approved", "by": "ada", "at": "2030-01-01T00:00:00+00:00", "comment": "", "fields": {"n": 2}}


def decided(outcome: dict[str, Any] | None, **parameters: Any) -> Any:
    items = {"main": [{"n": 1, "m": 1}]}
    return run_in_context("approval", items, {"resumed": True, "outcome": outcome}, **parameters).outputs


def test_the_decision_is_the_output_and_is_on_each_item_with_its_fields() -> None:
    about = {name: value for name, value in DECIDED.items() if name != "fields"}
    assert decided(DECIDED) == {"approved": [{"n": 2, "m": 1, "approval": about}]}


def test_without_a_decision_it_has_expired() -> None:
    ((output, (item,)),) = decided(None, expires_seconds=1).items()
    assert (output, item["n"], item["approval"]["decision"]) == ("expired", 1, "expired")


@pytest.mark.parametrize(("parameters", "expires"), [({}, False), ({"expires_seconds": 60}, True)])
def test_it_has_an_output_for_expiry_only_if_it_expires(parameters: dict[str, Any], expires: bool) -> None:
    assert ("expired" in node_types()["approval"].output_names(parameters)) is expires
