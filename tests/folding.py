"""What the rows must be, told by the history alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import psycopg
import requests

NODE_STATUS = {
    "node_started": "running",
    "node_retrying": "running",
    "node_waiting": "waiting",
    "held": "waiting",
    "node_completed": "completed",
    "node_failed": "failed",
    "node_skipped": "skipped",
}
EXECUTION_STATUS = {"started": "running", "resumed": "running", "recovered": "running"} | {
    status: status for status in ("queued", "waiting", "paused", "completed", "failed", "cancelled", "timed_out")
}
FRESH_RUN: dict[str, Any] = {"attempt": 1, "output_items": 0, "failed_items": 0, "error": None, "from_cache": False}
FOLDED = ("attempt", "error", "from_cache", "taken_from", "failed_items")
ENDED = {"completed", "failed", "cancelled", "timed_out"}


class Platform(Protocol):
    """Whatever answers requests to the API."""

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response: ...


def fold(events: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[tuple[str, int], dict[str, Any]]]:
    """Return the execution and its node runs as the events of its stream tell them."""
    execution: dict[str, Any] = {"error": None, "recoveries": 0, "cancel_requested": False}
    execution |= {"rerun": (None, ""), "cached_from": None, "attributes": {}}
    runs: dict[tuple[str, int], dict[str, Any]] = {}
    for event in events:
        kind, data = event["type"].removeprefix("execution."), event["data"]
        if kind in NODE_STATUS:
            run = runs.setdefault((data["node"], data["run_index"]), dict(FRESH_RUN))
            run["status"] = NODE_STATUS[kind]
            run["attempt"] = data.get("next_attempt") or data.get("attempt") or run["attempt"]
            run["output_items"] = data.get("output_items", run["output_items"])
            run["failed_items"] = data.get("failed_items", 0)
            run["taken_from"] = data.get("taken_from")
            run["error"] = data["error"] if kind == "node_failed" else None
            run["from_cache"] = data.get("from_cache", run["from_cache"])
            run["cost"] = data.get("cost")
            execution["attributes"] |= data.get("attributes") or {}
        elif kind in EXECUTION_STATUS:
            if kind == "queued":
                execution["rerun"] = (data["rerun_of"], data["rerun_from"] or "")
                execution["mode"] = data["mode"]
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


def _as_in_events(value: Any) -> Any:
    """Leave out the response of an error: it is on the node run only."""
    return {name: inner for name, inner in value.items() if name != "response"} if isinstance(value, dict) else value


def check(row: dict[str, Any], runs: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    """Compare an ended execution and its node runs with its events: sequence, execution, node runs, output items."""
    assert [event["sequence"] for event in events] == list(range(1, row["events"] + 1)), row
    execution, folded = fold(events)
    assert execution == {
        "status": row["status"],
        "error": row["error"],
        "recoveries": row["recoveries"],
        "cancel_requested": row["cancel_requested_at"] is not None,
        "cached_from": row["cached_from"],
        "rerun": (row["rerun_of"], row["rerun_from"]),
        "mode": row["mode"],
        "attributes": row["attributes"],
    }, row
    statuses = {(run["node"], run["run_index"]): run["status"] for run in runs}
    assert {key: run["status"] for key, run in folded.items()} == statuses, row
    for run in runs:
        expected = folded[run["node"], run["run_index"]]
        assert [expected[name] for name in FOLDED] == [_as_in_events(run[name]) for name in FOLDED], run
        if run["status"] in {"completed", "failed"}:
            assert expected["cost"] == run["cost"], run
        if run["status"] == "completed":
            assert expected["output_items"] == run["output_items"], run


def check_history(platform: Platform, execution_id: str) -> None:
    """Check an ended execution as the API shows it."""
    row = platform.request("GET", f"/api/executions/{execution_id}/").json()
    runs = platform.request("GET", f"/api/executions/{execution_id}/nodes/").json()
    check(row, runs, read_history(platform, execution_id))


_ENDED_SINCE = """
SELECT json_build_object(
    'row', json_build_object(
        'id', execution.id, 'events', stream.last_sequence, 'status', execution.status, 'error', execution.error,
        'recoveries', execution.recoveries, 'cancel_requested_at', execution.cancel_requested_at,
        'cached_from', execution.cached_from, 'rerun_of', execution.rerun_of_id, 'rerun_from', execution.rerun_from,
        'mode', execution.mode, 'attributes', execution.attributes
    ),
    'runs', (
        SELECT coalesce(json_agg(json_build_object(
            'node', node_id, 'run_index', run_index, 'status', status, 'attempt', attempt, 'error', error,
            'from_cache', from_cache, 'taken_from', taken_from, 'output_items', output_items,
            'failed_items', failed_items, 'cost', cost
        )), '[]') FROM executions_noderun WHERE execution_id = execution.id
    ),
    'events', (
        SELECT coalesce(json_agg(json_build_object(
            'sequence', sequence, 'type', type, 'data', data
        ) ORDER BY sequence), '[]') FROM events_event WHERE stream_id = stream.id
    )
)
FROM executions_execution execution JOIN events_stream stream ON stream.id = execution.stream_id
WHERE execution.id >= %s AND execution.status = ANY(%s)
"""


def check_ended(database_url: str, since: datetime) -> None:
    """Check the executions that were made since then and have ended, as the database holds them, in one query."""
    oldest = UUID(int=int(since.timestamp() * 1000) << 80)  # ids begin with milliseconds
    with psycopg.connect(database_url, autocommit=True) as connection:
        for (ended,) in connection.execute(_ENDED_SINCE, [oldest, list(ENDED)]).fetchall():
            check(ended["row"], ended["runs"], ended["events"])


def read_history(platform: Platform, execution_id: str) -> list[dict[str, Any]]:
    """Return all events of an execution's stream."""
    events: list[dict[str, Any]] = []
    while True:
        after = events[-1]["sequence"] if events else 0
        page = platform.request("GET", f"/api/executions/{execution_id}/events/?limit=1000&after={after}").json()
        events += page["events"]
        if len(page["events"]) < 1000:
            return events
