"""Log lines of real processes: JSON in all of them, request ids from the header to the line, ids of executions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from websockets.sync.client import connect

from tests import started_servers
from tests.conftest import Platform
from workflow_platform.installation.embedded import wait_until

FAILS = {
    "name": "Fails",
    "nodes": [
        {"id": "start", "type": "manual_trigger"},
        {"id": "stop", "type": "stop_and_error", "parameters": {"message": "It fails."}},
    ],
    "edges": [{"source": "start", "target": "stop"}],
}


def is_made(request_id: str) -> bool:
    return UUID(request_id).version == 7


def hooked(path: str) -> dict[str, Any]:
    return {
        "name": "Hooked",
        "active": True,
        "nodes": [{"id": "hook", "type": "webhook_trigger", "parameters": {"path": path}}],
        "edges": [],
    }


def test_a_well_formed_request_id_comes_back_and_a_malformed_one_is_replaced(platform: Platform) -> None:
    kept = platform.request("GET", "/api/workflows/", headers={"X-Request-ID": "req-1"})
    assert (kept.status_code, kept.headers["X-Request-ID"]) == (200, "req-1")
    for malformed in ("a b", "{}", "x" * 129):
        answer = platform.request("GET", "/api/workflows/", headers={"X-Request-ID": malformed})
        assert is_made(answer.headers["X-Request-ID"])


@pytest.mark.parametrize("path", ["/healthz", "/login/", "/no-such-page/", "/api/nothing/", "/hooks/no-such-hook"])
def test_every_response_names_its_request(platform: Platform, path: str) -> None:
    answer = requests.get(platform.url + path, timeout=240)
    assert is_made(answer.headers["X-Request-ID"])


def test_streams_and_sockets_name_their_request(platform: Platform) -> None:
    created = platform.request("POST", "/api/workflows/", json=FAILS).json()
    path = f"/api/events/stream/?stream=workflow:{created['id']}"
    with platform.request("GET", path, headers={"X-Request-ID": "sse-1"}, stream=True) as stream:
        assert (stream.status_code, stream.headers["X-Request-ID"]) == (200, "sse-1")
    headers = {"Authorization": f"Bearer {platform.token}", "X-Request-ID": "ws-1"}
    with connect(platform.ws_url, additional_headers=headers) as socket:
        assert socket.response is not None
        assert socket.response.headers["X-Request-ID"] == "ws-1"


def test_every_process_writes_json_lines_that_name_requests_and_executions(
    another: Callable[..., Platform],
) -> None:
    folder = started_servers.folder
    before = set(folder.glob("*.log"))
    platform = another(workers=1, LOG_FORMAT="json", ACCESS_LOG="true")

    def lines() -> list[dict[str, Any]]:
        new = sorted(set(folder.glob("*.log")) - before)
        return [json.loads(line) for path in new for line in _complete(path)]

    handler = platform.request("POST", "/api/workflows/", json={**FAILS, "name": "Handler"}).json()["id"]
    failing = {**FAILS, "settings": {"error_workflow": handler}}
    workflow = platform.request("POST", "/api/workflows/", json=failing).json()["id"]
    assert platform.request("DELETE", f"/api/workflows/{handler}/").status_code == 204
    run = f"/api/workflows/{workflow}/execute/"
    started = platform.request("POST", f"{run}?token=hunter2", json={}, headers={"X-Request-ID": "run-1"})
    assert started.status_code in {200, 201, 202}, started.text
    execution = started.json()["id"]
    headers = {"Authorization": f"Bearer {platform.token}", "X-Request-ID": "ws-1"}
    with connect(platform.ws_url, additional_headers=headers):
        pass

    def of_execution() -> list[dict[str, Any]]:
        return [line for line in lines() if line.get("execution_id") == execution]

    wait_until(lambda: any("error workflow" in line["message"] for line in of_execution()), "The execution's line")
    wait_until(lambda: any("disconnect" in line["message"] for line in lines()), "The end of the WebSocket's lines")
    written = lines()
    (request,) = [line for line in written if line.get("request_id") == "run-1" and "status_code" in line]
    assert request["message"].startswith(f"POST {run} answered {started.status_code} in ")
    assert (request["component"], request["path"], request["method"]) == ("web", run, "POST")
    assert "hunter2" not in "".join(map(json.dumps, written))
    socket_lines = [line["message"] for line in written if line.get("request_id") == "ws-1"]
    assert [message.split()[-1] for message in socket_lines] == ["connected", "disconnected"]
    line = next(line for line in of_execution() if "error workflow" in line["message"])  # a sweep may log it again
    assert line["level"] == "warning"
    assert {line["workflow_id"], line["trace_id"]} == {workflow, execution}
    assert "web" in {line.get("component") for line in written}

    def has_line_of_worker() -> bool:
        """Return whether a worker has written; if the scheduler was faster after an end, another execution follows."""
        if any(line.get("component") == "worker" for line in lines()):
            return True
        assert platform.request("POST", run, json={}).ok
        return False

    wait_until(has_line_of_worker, "A line of the worker")


def _complete(path: Path) -> list[str]:
    return path.read_text().rpartition("\n")[0].splitlines()
