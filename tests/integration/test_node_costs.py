"""What node runs cost, compared with what the servers that they called and the people who wait have seen."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.executing import events, execute, save, until
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

KEEP_20_MB = "let kept = []; for (let i = 0; i < 320; i++) kept.push('x'.repeat(65536) + i); return [{n: kept.length}];"


def rows(platform: Platform, execution: str) -> dict[str, dict[str, Any]]:
    found = platform.request("GET", f"/api/executions/{execution}/nodes/").json()
    return {row["node"]: row for row in found}


def hold(server: Answering, path: str, requests: int) -> float:
    """Let a server leave a request without an answer until somebody has seen it. Returns for how long it did, in ms."""
    wait_until(lambda: len(server.asked) == requests, "The request")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 0.15, "A delay that is seen in the figures")
    held = time.monotonic() - began
    server.open(path)
    return held * 1000


def test_calls_have_the_phases_and_bytes_that_the_server_saw_over_all_attempts(platform: Platform) -> None:
    with answering() as server:
        server.statuses = [503]
        call = node("call", "http_request", method="POST", url=f"{server.url}slow", body={"text": "é" * 100})
        call["retry"] = {"attempts": 2, "delay_ms": 50, "jitter": False}
        execution = execute(platform, save(platform, [node("start", "manual_trigger"), call], [edge("start", "call")]))
        held_ms = hold(server, "slow", 1)
        assert until(platform, execution)["status"] == "completed"
    found = rows(platform, execution)
    waits, calls = found["call"]["cost"]["waits"], found["call"]["cost"]["calls"]
    assert calls["count"] == len(server.bodies) == 2
    assert calls["first_byte_ms"] >= held_ms
    assert calls["sent_bytes"] == sum(map(len, server.bodies))
    assert calls["received_bytes"] == sum(len(json.dumps({"asked": n})) for n in (1, 2))
    assert waits["pause_ms"] >= 49  # the delay of the retry, as two clocks measure it
    whole = sum(waits.values()) + sum(value for name, value in calls.items() if name.endswith("_ms"))
    assert whole <= found["call"]["duration_ms"] + 1
    (completed,) = [event for event in events(platform, execution, "node_completed") if event["node"] == "call"]
    assert completed["cost"] == found["call"]["cost"]
    assert completed["cpu_ms"] == found["call"]["cpu_ms"] > 0
    assert found["call"]["memory_bytes"] is None  # it ran in a thread of many
    assert found["start"]["cost"] is None
    assert found["start"]["memory_bytes"] is None


def test_memory_is_that_of_the_sandbox_process_for_this_run_alone(platform: Platform) -> None:
    nodes = [
        node("start", "manual_trigger"),
        node("big", "code", code=KEEP_20_MB),
        node("small", "code", code="return [{n: 1}];"),
    ]
    execution = execute(platform, save(platform, nodes, [edge("start", "big"), edge("big", "small")]))
    assert until(platform, execution)["status"] == "completed"
    found = rows(platform, execution)
    assert found["big"]["memory_bytes"] >= 20_000_000 > found["small"]["memory_bytes"] >= 0
    assert found["start"]["memory_bytes"] is None
    assert found["big"]["cpu_ms"] > 0


def test_a_credential_that_fetches_its_token_is_a_wait_and_no_call(platform: Platform) -> None:
    with answering() as server:
        server.open("use")
        server.answer = {"access_token": "a-token", "token_type": "Bearer", "expires_in": 3600}
        secret = {
            "token_url": f"{server.url}token",
            "client_id": "me",
            "client_secret": "a-secret-of-a-test",
            "authentication": "basic",
        }
        body = {"name": f"Held {server.server_port}", "type": "oauth2_client_credentials", "data": secret}
        created = platform.request("POST", "/api/credentials/", json=body)
        assert created.status_code == 201, created.text
        call = node(
            "call", "http_request", method="POST", url=f"{server.url}use", body={}, credential=created.json()["name"]
        )
        execution = execute(platform, save(platform, [node("start", "manual_trigger"), call], [edge("start", "call")]))
        held_ms = hold(server, "token", 1)
        assert until(platform, execution)["status"] == "completed"
    cost = rows(platform, execution)["call"]["cost"]
    assert cost["waits"]["credential_ms"] >= held_ms
    assert cost["calls"]["count"] == 1
    assert cost["calls"]["sent_bytes"] == len(server.bodies[1])
