"""What the rows must be, told by the history alone."""

from __future__ import annotations

from typing import Any, Protocol

import requests

NODE_STATUS = {
    "node_started": "running",
    "node_retrying": "running",
    "node_waiting": "waiting",
    "node_completed": "completed",
    "node_failed": "failed",
    "node_skipped": "skipped",
}
EXECUTION_STATUS = {"started": "running", "resumed": "running", "recovered": "running"} | {
    status: status for status in ("queued", "waiting", "paused", "completed", "failed", "cancelled", "timed_out")
}
FRESH_RUN: dict[str, Any] = {"attempt": 1, "output_items": 0, "error": None, "from_cache": False}
FOLDED = ("attempt", "error", "from_cache", "taken_from")
ENDED = {"completed", "failed", "cancelled", "timed_out"}


class Platform(Protocol):
    """Whatever answers requests to the API."""

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response: ...


def fold(events: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[tuple[str, int], dict[str, Any]]]:
    """Return the execution and its node runs as the events of its stream tell them."""
    execution: dict[str, Any] = {"error": None, "recoveries": 0, "cancel_requested": False}
    execution |= {"rerun": (None, ""), "cached_from": None}
    runs: dict[tuple[str, int], dict[str, Any]] = {}
    for event in events:
        kind, data = event["type"].removeprefix("execution."), event["data"]
        if kind in NODE_STATUS:
            run = runs.setdefault((data["node"], data["run_index"]), dict(FRESH_RUN))
            run["status"] = NODE_STATUS[kind]
            run["attempt"] = data.get("next_attempt") or data.get("attempt") or run["attempt"]
            run["output_items"] = data.get("output_items", run["output_items"])
            run["taken_from"] = data.get("taken_from")
            run["error"] = data["error"] if kind == "node_failed" else None
            run["from_cache"] = data.get("from_cache", run["from_cache"])
        elif kind in EXECUTION_STATUS:
            if kind == "queued":
                execution["rerun"] = (data["rerun_of"], data["rerun_from"] or "")
            execution["status"] = EXECUTION_STATUS[kind]
            execution["error"] = data.get("error")
            execution["cached_from"] = data.get("cached_from")
            execution["recoveries"] += kind == "recovered" and data["reason"] == "lease_lost"
        elif kind == "cancel_requested":
            execution["cancel_requested"] = True
    if execution["status"] in ENDED:  # the end of an execution is the end of what still ran in it
        for run in runs.values():
            run["status"] = run["status"] if run["status"] not in {"running", "waiting"} else "cancelled"
    return execution, runs


def check_history(platform: Platform, execution_id: str) -> None:
    """Compare the rows of an ended execution with its history: sequence, execution, node runs, output items."""
    row = platform.request("GET", f"/api/executions/{execution_id}/").json()
    events = read_history(platform, execution_id)
    assert [event["sequence"] for event in events] == list(range(1, row["events"] + 1))
    execution, runs = fold(events)
    assert execution == {
        "status": row["status"],
        "error": row["error"],
        "recoveries": row["recoveries"],
        "cancel_requested": row["cancel_requested_at"] is not None,
        "cached_from": row["cached_from"],
        "rerun": (row["rerun_of"], row["rerun_from"]),
    }
    rows = platform.request("GET", f"/api/executions/{execution_id}/nodes/").json()
    assert {key: run["status"] for key, run in runs.items()} == {(r["node"], r["run_index"]): r["status"] for r in rows}
    for r in rows:
        run = runs[r["node"], r["run_index"]]
        assert [run[name] for name in FOLDED] == [r[name] for name in FOLDED], r
        if r["status"] == "completed":
            assert run["output_items"] == r["output_items"], r


def read_history(platform: Platform, execution_id: str) -> list[dict[str, Any]]:
    """Return all events of an execution's stream."""
    events: list[dict[str, Any]] = []
    while True:
        after = events[-1]["sequence"] if events else 0
        page = platform.request("GET", f"/api/executions/{execution_id}/events/?limit=1000&after={after}").json()
        events += page["events"]
        if len(page["events"]) < 1000:
            return events
