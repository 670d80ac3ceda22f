"""A cancellation takes effect within a second, whatever the execution is at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.executing import execute, node_statuses, save, until
from tests.workflows import edge, node
from workflow_platform.embedded import wait_until


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as found:
        yield found


def busy(how: str, server: Answering) -> dict[str, Any]:
    if how == "a wait":
        return node("busy", "wait", seconds=3600)
    if how == "a wait for a call":
        return node("busy", "wait", webhook=True)
    if how == "a code node":
        return node("busy", "code", code="while (true);", time_limit_seconds=20)
    if how == "a call that is not answered":
        return node("busy", "http_request", method="POST", url=f"{server.url}never", timeout_seconds=60)
    retry = {"attempts": 5, "delay_ms": 600_000, "on": "all"}
    return node("busy", "stop_and_error", message="No.") | {"retry": retry}


@pytest.mark.parametrize(
    "how", ["a wait", "a wait for a call", "a code node", "a call that is not answered", "a pause before a retry"]
)
def test_it_takes_effect_within_a_second_inside(platform: Platform, server: Answering, how: str) -> None:
    nodes = [node("start", "manual_trigger"), busy(how, server), node("after", "no_op")]
    edges = [edge("start", "busy"), *([] if how == "a pause before a retry" else [edge("busy", "after")])]
    nodes = nodes if len(edges) == 2 else nodes[:2]
    execution = execute(platform, save(platform, nodes, edges), {})
    wait_until(lambda: node_statuses(platform, execution).get("busy") in {"running", "waiting"}, "The node")
    began = time.monotonic()
    platform.request("POST", f"/api/executions/{execution}/cancel/", json={})
    ended = until(platform, execution)
    took = time.monotonic() - began
    assert ended["status"] == "cancelled"
    assert took < 1, f"It took {took:.2f} s."
