"""An execution at a glance: its timeline, what has flowed and how long it usually takes; the duration of a node run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from executions.overview import timeline as timelines
from tests.answering import answering
from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.workflows import edge, node

TURNS = 260  # with the loop's own runs more than the timeline lists one by one


def get(platform: Platform, execution: str, what: str) -> Any:
    answer = platform.request("GET", f"/api/executions/{execution}/{what}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def loop(platform: Platform) -> str:
    count = "return Array.from({ length: $json.turns }, (_, n) => ({ n }))"
    nodes = [
        node("start", "manual_trigger"),
        node("numbers", "code", code=count),
        node("each", "loop", batch_size=1),
        node("seen", "set", fields={"seen": True}),
    ]
    edges = [edge("start", "numbers"), edge("numbers", "each"), edge("each", "seen", "loop"), edge("seen", "each")]
    return save(platform, nodes, edges)


def test_an_execution_is_summed_up_and_expected_from_those_before_it(platform: Platform) -> None:
    workflow = loop(platform)
    few, many = (execute(platform, workflow, {"turns": turns}) for turns in (3, TURNS))
    for execution in (few, many):
        until(platform, execution, "completed")

    nothing = get(platform, few, "expected/")
    assert (nothing["executions"], nothing["duration_ms"], nothing["nodes"]) == (0, None, {})
    known = get(platform, many, "expected/")
    assert (known["executions"], known["same_version"]) == (1, True)
    assert known["duration_ms"]["p50"] > 0
    assert {name: each["runs"] for name, each in known["nodes"].items()} == {
        "start": 1, "numbers": 1, "each": 4, "seen": 3,
    }  # fmt: skip

    flowed = get(platform, many, "flows/")
    items = {(each["source"], each["target"]): each["items"] for each in flowed["edges"]}
    assert items == {
        ("start", "numbers"): 1,
        ("numbers", "each"): TURNS,
        ("each", "seen"): TURNS,
        ("seen", "each"): TURNS,
    }
    assert flowed["through"] == get(platform, many, "")["events"]

    each_run = get(platform, few, "timeline/")
    assert each_run["bucket_ms"] is None
    assert [run["node"] for run in each_run["runs"]].count("seen") == 3
    assert all(
        run["ready_ms"] <= run["start_ms"] <= run["end_ms"] for run in each_run["runs"] if run["node"] != "start"
    )
    summed = get(platform, many, "timeline/?buckets=50")
    assert summed["runs"] == []
    assert 20 <= round((summed["to_ms"] - summed["from_ms"]) / summed["bucket_ms"], 6) <= 50
    assert sum(cell["runs"] for cell in summed["nodes"]["seen"]) == TURNS
    rows = get(platform, many, "nodes/?node=seen")
    busy_ms = sum(cell["busy"] for cell in summed["nodes"]["seen"]) * summed["bucket_ms"]
    assert busy_ms == pytest.approx(sum(row["duration_ms"] for row in rows), abs=TURNS * 0.01)
    zoomed = get(platform, many, f"timeline/?from_ms=0&to_ms={summed['to_ms'] / 2}")
    assert zoomed["bucket_ms"] is None
    assert 0 < len(zoomed["runs"]) <= timelines.MAX_RUNS
    assert get(platform, many, "nodes/?node=seen&from_run=250&limit=2")[1]["run_index"] == 251
    for query, field in (("from_ms=5&to_ms=5", "to_ms"), ("buckets=1000", "buckets"), ("from_ms=-1", "from_ms")):
        refused = platform.request("GET", f"/api/executions/{many}/timeline/?{query}")
        assert (refused.status_code, field in refused.text) == (400, True)


def test_a_duration_is_from_start_to_end_with_retries_in_rows_events_trace_and_summary(platform: Platform) -> None:
    with answering() as server:
        server.statuses = [503, 200]
        server.open()
        ask = node("ask", "http_request", method="POST", url=server.url, timeout_seconds=60)
        nodes = [node("start", "manual_trigger"), ask | {"retry": {"attempts": 2, "delay_ms": 200, "jitter": False}}]
        execution = execute(platform, save(platform, nodes, [edge("start", "ask")]), {})
        until(platform, execution, "completed")
    row = next(each for each in get(platform, execution, "nodes/") if each["node"] == "ask")
    began, ended = (datetime.fromisoformat(row[name]) for name in ("started_at", "ended_at"))
    assert row["duration_ms"] == pytest.approx((ended - began).total_seconds() * 1000, abs=0.01)
    assert row["duration_ms"] > 190  # the delay before the second attempt
    events = get(platform, execution, "events/")["events"]
    completed = next(e for e in events if e["type"] == "execution.node_completed" and e["data"]["node"] == "ask")
    assert completed["data"]["duration_ms"] == row["duration_ms"]
    assert events[-1]["data"]["summary"]["slowest"] == {"node": "ask", "duration_ms": row["duration_ms"]}
    run = next(each for each in get(platform, execution, "timeline/")["runs"] if each["node"] == "ask")
    assert [run["start_ms"] < at < run["end_ms"] for at in run["failed_ms"]] == [True]
    ((failed_ms, retry_ms),) = run["retries"]
    assert failed_ms == run["failed_ms"][0]
    assert retry_ms - failed_ms == pytest.approx(200, abs=0.01)  # the delay of the policy, as the row has it
    assert retry_ms < run["end_ms"]
    traced = get(platform, execution, "trace/")["executions"][0]["node_runs"]
    assert row["duration_ms"] in [run["duration_ms"] for run in traced]


def test_one_object_as_input_is_one_item(platform: Platform) -> None:
    workflow = save(platform, [node("start", "manual_trigger")], [])
    path = f"/api/workflows/{workflow}/execute/"
    body = {"input": {"n": 1, "list": [1]}, "wait": 30}
    execution = platform.request("POST", path, json=body).json()["id"]
    shown = get(platform, execution, "nodes/start/output/")
    assert shown["outputs"] == {"main": [{"n": 1, "list": [1]}]}
    for wrong in ("text", 5, [1], None):
        assert platform.request("POST", path, json={"input": wrong}).status_code == 400
