"""What an execution puts out has a limit for each node run and one for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from executions.domain.errors import NodeError
from executions.engine.outputs import check_total_bytes, pack_outputs


def test_all_node_runs_of_an_execution_share_a_limit(settings: Any) -> None:
    settings.EXECUTION_OUTPUT_MAX_BYTES = 100
    _, sizes = pack_outputs({"main": [{"text": "x" * 50}]})
    size = sizes["main"]
    check_total_bytes(100 - size, size)
    with pytest.raises(NodeError) as raised:
        check_total_bytes(101 - size, size)
    assert str(raised.value) == (
        f"With this output of {size} bytes the outputs of the execution have 101 bytes; at most 100 are allowed"
        " (EXECUTION_OUTPUT_MAX_BYTES)."
    )
    assert not raised.value.retryable
