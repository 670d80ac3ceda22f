"""A worker that dies while others wait for the result that it computes."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.answering import answering
from tests.conftest import Platform
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until
from workflow_platform.installation.supervision import processes

AT_LEAST, AT_MOST = 8, 50


def execution_of(asked: dict[str, str]) -> str:
    """Return the execution that a request came from."""
    return asked["idempotency-key"].split("/")[0]


@pytest.mark.parametrize("of", ["node", "execution"])
def test_when_the_worker_that_computes_is_killed_one_that_waits_takes_over(platform: Platform, of: str) -> None:
    with answering() as server:
        ask = node("ask", "http_request", method="POST", url=server.url, timeout_seconds=60)
        definition = {
            "name": "Asks once",
            "nodes": [node("start", "manual_trigger"), ask | ({"cache": {}} if of == "node" else {})],
            "edges": [edge("start", "ask")],
            "settings": {"cache": {}} if of == "execution" else {},
        }
        workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
        executions: list[dict[str, Any]] = []

        def states() -> list[dict[str, Any]]:
            return [platform.request("GET", f"/api/executions/{e['id']}/").json() for e in executions]

        def start_until_both_workers_take_part() -> bool:
            if len(executions) < AT_MOST:
                executions.append(platform.request("POST", f"/api/workflows/{workflow}/execute/", json={}).json())
            return len(executions) >= AT_LEAST and len({s["worker"] for s in states()} - {""}) == 2

        wait_until(start_until_both_workers_take_part, "Both workers at work")
        wait_until(lambda: len(server.asked) == 1, "The first request")
        leader = execution_of(server.asked[0])
        worker = next(s["worker"] for s in states() if s["id"] == leader)
        os.kill(int(worker.rsplit(":", 1)[1]), signal.SIGKILL)
        platform.start(next(p for p in processes("127.0.0.1", 0, workers=1) if p.name == "worker"))
        wait_until(lambda: len(server.asked) == 2, "The request of one that takes over")
        server.open()
        wait_until(lambda: {s["status"] for s in states()} == {"completed"}, "The ends, recovered ones too")
        others = {execution_of(asked) for asked in server.asked} - {leader}
        if of == "node":
            assert len(server.asked) == 2
        else:  # the one whose nodes had begun goes on by itself when it is recovered, whoever has the result by now
            assert (len(server.asked), len(others)) == (3, 1)
