"""The critical path over the API: what an execution waited for, in segments that add up to its time."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import pytest

from tests.answering import answering
from tests.conftest import Platform
from tests.executing import execute, look, save, until
from tests.workflows import edge, node


def path(platform: Platform, execution: str) -> dict[str, Any]:
    answer = platform.request("GET", f"/api/executions/{execution}/critical-path/")
    assert answer.status_code == 200, answer.text
    found = dict(answer.json())
    assert sum(each["ms"] for each in found["segments"]) == pytest.approx(found["wall_ms"], abs=1e-6)
    assert sum(found["totals"].values()) == pytest.approx(found["wall_ms"], abs=1e-6)
    return found


def test_the_slow_branch_is_the_path_with_its_wait_and_its_retry(platform: Platform) -> None:
    with answering() as server:
        server.statuses = [503, 200]
        server.open()
        ask = node("ask", "http_request", method="POST", url=server.url, timeout_seconds=60)
        nodes = [
            node("start", "manual_trigger"),
            node("quick", "set", fields={"quick": True}),
            node("pause", "wait", seconds=0.3),
            ask | {"retry": {"attempts": 2, "delay_ms": 200, "jitter": False}},
            node("join", "merge", mode="append"),
        ]
        edges = [
            edge("start", "quick"), edge("start", "pause"), edge("pause", "ask"),
            edge("quick", "join", input="input1"), edge("ask", "join", input="input2"),
        ]  # fmt: skip
        execution = execute(platform, save(platform, nodes, edges), {})
        until(platform, execution, "completed")
    found = path(platform, execution)
    assert (found["ended"], found["folded"]) == (True, False)
    on_path = [each["node"] for each in found["segments"] if each["kind"] == "run"]
    assert [*dict.fromkeys(on_path)] == ["start", "pause", "ask", "join"]
    wait = next(each for each in found["segments"] if each["kind"] == "wait")
    assert (wait["node"], wait["wait"], wait["run_index"]) == ("pause", "time", 0)
    assert wait["ms"] == pytest.approx(300, abs=50)
    delay = next(each for each in found["segments"] if each["kind"] == "retry_delay")
    assert (delay["node"], delay["ms"]) == ("ask", pytest.approx(200, abs=0.01))
    assert found["slack"]["ask"] == found["slack"]["pause"] == 0
    assert found["slack"]["quick"] > 480  # the other branch waits 300 ms and 200 ms
    drawn = platform.request("GET", f"/api/executions/{execution}/critical-path/stretches/").json()
    assert (drawn["bucket_ms"], drawn["from_ms"] <= 0) == (None, True)
    assert [each["node"] for each in drawn["stretches"]] == ["start", "pause", "ask", "join"]
    assert drawn["to_ms"] - drawn["from_ms"] == pytest.approx(found["wall_ms"], abs=1e-6)
    on_nodes = sum(each["ms"] for each in found["segments"] if "node" in each)
    assert sum(each["to_ms"] - each["from_ms"] for each in drawn["stretches"]) == pytest.approx(on_nodes, abs=1e-6)


def test_what_holds_an_execution_that_has_not_ended_is_on_its_path(platform: Platform) -> None:
    nodes = [node("start", "manual_trigger"), node("ask", "approval", message="Go on?")]
    execution = execute(platform, save(platform, nodes, [edge("start", "ask")]), {})
    until(platform, execution, "waiting")
    found = path(platform, execution)
    assert (found["ended"], found["segments"][-1]["kind"], found["segments"][-1]["wait"]) == (False, "wait", "approval")
    assert platform.request("POST", f"/api/executions/{execution}/cancel/", json={}).status_code == 202
    until(platform, execution, "cancelled")
    assert path(platform, execution)["ended"]


def test_the_paths_of_random_executions_add_up(platform: Platform) -> None:
    dice = random.Random(20261201)
    started = []
    for _ in range(12):
        ids = [f"n{number}" for number in range(dice.randint(2, 8))]
        nodes = [node("start", "manual_trigger")]
        edges = []
        for number, each in enumerate(ids):
            kind = dice.choice(["set", "if", "wait", "code"])
            nodes.append({
                "set": node(each, "set", fields={each: 1}),
                "if": node(each, "if", condition=dice.choice(["{{ true }}", "{{ false }}"])),
                "wait": node(each, "wait", seconds=dice.choice([0.01, 0.05])),
                "code": node(each, "code", code="return items"),
            }[kind])  # fmt: skip
            source = dice.choice(["start", *ids[:number]])
            branch = dice.choice(["true", "false"])
            is_if = any(other["id"] == source and other["type"] == "if" for other in nodes)
            edges.append(edge(source, each, branch if is_if else "main"))
        started.append(execute(platform, save(platform, nodes, edges), {}, {}))
    for execution in started:
        until(platform, execution, "completed")
        found, row = path(platform, execution), look(platform, execution)
        queued, ended = (datetime.fromisoformat(row[name]) for name in ("queued_at", "ended_at"))
        assert found["wall_ms"] == pytest.approx((ended - queued).total_seconds() * 1000, abs=0.01)
        assert min(found["slack"].values()) == 0


def test_an_execution_that_does_not_exist_has_no_path(platform: Platform) -> None:
    missing = "0190d1c0-0000-7000-8000-000000000000"
    assert platform.request("GET", f"/api/executions/{missing}/critical-path/").status_code == 404
