"""Which node runs go through the result cache."""

from __future__ import annotations

from typing import Any

import pytest

from executions.domain.graph import Node, NodeCache
from executions.engine.result_cache import is_cached
from executions.nodes.registry import node_types

CACHED = {"id": "a", "cache": NodeCache()}


@pytest.mark.parametrize(
    ("node", "enabled", "expected"),
    [
        (Node(type="http_request", **CACHED), True, True),
        (Node(type="set", **CACHED), True, True),
        (Node(type="http_request", **CACHED), False, False),
        (Node(type="http_request", disabled=True, **CACHED), True, False),
        (Node(type="http_request", id="a"), True, False),
        (Node(type="wait", **CACHED), True, False),
        (Node(type="manual_trigger", **CACHED), True, False),
    ],
)
def test_a_node_goes_through_the_cache_if_it_says_so_and_can(
    settings: Any, node: Node, enabled: bool, expected: bool
) -> None:
    settings.CACHE_ENABLED = enabled
    assert is_cached(node, node_types()[node.type]) is expected
