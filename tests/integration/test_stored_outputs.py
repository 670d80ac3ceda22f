"""What a worker loads of an execution that goes on: large outputs as text, in chunks, as they were stored."""

from __future__ import annotations

from typing import Any

import pytest

from executions.domain.items import CHUNK_BYTES, PackedItems, pack
from executions.lifecycle.stored_outputs import node_runs
from executions.models import Execution, NodeRun
from tests.engine import make_execution
from tests.workflows import node

MANY = [{"n": n, "text": "é" * 100} for n in range(3000)]
OUTPUTS: list[dict[str, list[dict[str, Any]]] | None] = [
    None,
    {"main": [{"small": True}]},
    {"main": MANY, "error": MANY[:5]},
    {"main": [{"text": "x" * 300_000}, {"n": 1}]},
]


@pytest.fixture
def execution() -> Execution:
    return make_execution([node("start", "manual_trigger")], [])


@pytest.mark.django_db
def test_outputs_come_back_as_they_were_stored_large_ones_as_text(execution: Execution) -> None:
    for index, output in enumerate(OUTPUTS):
        NodeRun.objects.create(
            execution=execution,
            node_id="start",
            name="Start",
            node_type="set",
            run_index=index,
            output=output,
            output_items=sum(map(len, (output or {}).values())),
            output_bytes=sum(pack(items)[1] for items in (output or {}).values()),
        )
    none, small, many, wide = (run.output for run in node_runs([execution.pk]))
    assert none is None
    assert small == OUTPUTS[1]
    assert {name: list(items) for name, items in many.items()} == OUTPUTS[2]
    assert {name: list(items) for name, items in wide.items()} == OUTPUTS[3]
    assert isinstance(many["main"], PackedItems)
    assert len(many["main"].chunks) > 1
    assert all(len(chunk) < 2 * CHUNK_BYTES for chunk in many["main"].chunks)
    assert many["main"].sample == MANY[:3]
    assert wide["main"].sample == []
