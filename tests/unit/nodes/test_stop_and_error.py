from __future__ import annotations

import pytest
from executions.domain.errors import NodeError

from tests.unit.nodes.running import run


def test_it_fails_with_the_message_and_is_not_tried_again() -> None:
    with pytest.raises(NodeError, match="n is 1") as raised:
        run("stop_and_error", {"n": 1}, message="n is {{ $json.n }}")
    assert not raised.value.retryable
