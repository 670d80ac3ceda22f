"""Traces from outside: what a collector receives matches the executions, event by event, also after it was away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.collecting import Collector, TraceSpan, collecting, values
from tests.conftest import Platform
from tests.executing import save, until
from tests.receiving import Receiver, receiving, status
from tests.workflows import edge, node
from workflow_platform.core.telemetry.trace_context import attempt_span, execution_span
from workflow_platform.installation.embedded import wait_until

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{CALLER}-00f067aa0ba902b7-01"
HEADERS = "api-key=very%2Csecret"
NOT_SHOWN = {"execution.data_flow", "execution.progress"}
"""What an edge carried, and how far an execution is, are no part of a trace."""


def parent_workflow(platform: Platform, outside: Receiver) -> str:
    child = save(
        platform, [node("begin", "manual_trigger"), node("log", "no_op")], [edge("begin", "log")], name="Child"
    )
    retry = {"attempts": 2, "delay_ms": 10}
    nodes = [
        node("start", "manual_trigger"),
        node("ask", "http_request", url=outside.url + "asked?token=hidden") | {"retry": retry},
        node("rest", "wait", seconds=1.1),
        node("join", "merge", mode="append"),
        node("call", "execute_workflow", workflow=child),
        node("send", "send_webhook", url=outside.url + "sent", wait=True),
        node("end", "no_op"),
    ]
    edges = [
        edge("start", "ask"), edge("start", "rest"), edge("ask", "join", input="input1"),
        edge("rest", "join", input="input2"), edge("join", "call"), edge("call", "send"),
        edge("send", "end", "delivered"),
    ]  # fmt: skip
    return save(platform, nodes, edges, name="Traced")


def test_a_collector_that_was_away_receives_each_span_once_and_all_of_an_execution(
    another: Callable[..., Platform],
) -> None:
    with collecting() as collector, receiving() as outside:
        outside.answering(status(503), status(200, body=b"{}"))
        collector.leave()
        platform = another(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS=HEADERS,
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=tests",
        )
        hook = {"name": "Told", "url": outside.url + "told", "event_types": ["execution.completed"]}
        assert platform.request("POST", "/api/webhooks/endpoints/", json=hook).status_code == 201
        workflow = parent_workflow(platform, outside)
        execution = _execute(platform, workflow)
        assert until(platform, execution)["status"] == "completed"
        tried = "SELECT count(*) FROM webhooks_delivery WHERE origin = 'trace' AND attempts_made > 1"
        wait_until(lambda: platform.query(tried) >= [(1,)], "Attempts to reach the collector")
        assert not collector.spans
        collector.come_back()
        events = _events(platform, execution)
        wait_until(lambda: _is_whole(collector, platform, execution), "The whole trace")
        unsent = "SELECT count(*) FROM webhooks_delivery WHERE origin = 'trace' AND status <> 'delivered'"
        wait_until(lambda: platform.query(unsent) == [(0,)], "The end of all deliveries of spans")
        _check_events(collector, execution, events)
        _check_structure(collector, platform, execution)
        _check_outgoing(collector, outside, execution)
        _check_secrets(collector, platform)
        assert not collector.repeated


def _execute(platform: Platform, workflow: str) -> str:
    answer = platform.request(
        "POST", f"/api/workflows/{workflow}/execute/", json={"input": [{"n": 1}]}, headers={"traceparent": TRACEPARENT}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _events(platform: Platform, execution: str) -> list[dict[str, Any]]:
    answer = platform.request("GET", f"/api/executions/{execution}/events/?limit=1000")
    return list(answer.json()["events"])


def _is_whole(collector: Collector, platform: Platform, execution: str) -> bool:
    children = platform.query("SELECT id FROM executions_execution WHERE parent_id = %s", execution)
    roots = {execution_span(execution), *(execution_span(child) for (child,) in children)}
    # Of the two items that a node sends, and of the ends of both executions.
    return roots <= collector.spans.keys() and len(_delivered(collector)) == 4


def _delivered(collector: Collector) -> list[TraceSpan]:
    return [span for span in collector.spans.values() if span["name"].startswith("deliver to")]


def _check_events(collector: Collector, execution: str, events: list[dict[str, Any]]) -> None:
    """Find each event of the execution in its trace."""
    root = collector.spans[execution_span(execution)]
    moments = {values(each["attributes"])["workflow.event.sequence"]: each for each in root["events"]}
    for event in events:
        kind, data, at = event["type"].removeprefix("execution."), event["data"], _nanoseconds(event["time"])
        of_node = [execution, data.get("node"), data.get("run_index"), data.get("attempt")]
        if event["type"] in NOT_SHOWN:
            continue
        if kind == "queued":
            assert _near(root["startTimeUnixNano"], at)
        elif kind == "started":
            (begun,) = [s for s in collector.named(CALLER, "execution started") if _is_of(s, execution)]
            assert begun["startTimeUnixNano"] == begun["endTimeUnixNano"] == str(at)
        elif kind == "node_started":
            span = collector.spans[attempt_span(*of_node)]
            waited = [s for s in collector.spans.values() if s["endTimeUnixNano"] == str(at)]
            assert _near(span["startTimeUnixNano"], at) or waited, event
        elif kind in {"node_completed", "node_failed", "node_retrying"}:
            span = collector.spans[attempt_span(*of_node)]
            assert (span["endTimeUnixNano"], span["parentSpanId"]) == (str(at), root["spanId"])
            assert ("error" in data) == (span["status"]["code"] == 2)
            assert values(span["attributes"])["workflow.event.sequence"] == event["sequence"]
        elif kind == "completed":
            assert root["endTimeUnixNano"] == str(at)
        else:
            assert (moments[event["sequence"]]["name"], moments[event["sequence"]]["timeUnixNano"]) == (
                event["type"], str(at),
            )  # fmt: skip
    shown = [event for event in events if event["type"] not in NOT_SHOWN]
    assert {"node_waiting", "node_retrying", "waiting", "resumed"} <= {
        event["type"].removeprefix("execution.") for event in shown
    }


def _check_structure(collector: Collector, platform: Platform, execution: str) -> None:
    """One trace, in which every span but the caller's is there, with what waited and what a join received."""
    assert {span["traceId"] for span in collector.spans.values()} == {CALLER}
    parents = {span["parentSpanId"] for span in collector.spans.values()} - collector.spans.keys()
    assert parents == {"00f067aa0ba902b7"}
    ((child,),) = platform.query("SELECT id FROM executions_execution WHERE parent_id = %s", execution)
    assert collector.spans[execution_span(child)]["parentSpanId"] == attempt_span(execution, "call", 0, 1)
    (join,) = collector.named(CALLER, "Join")
    assert {link["spanId"] for link in join["links"]} == {
        attempt_span(execution, "ask", 0, 2), attempt_span(execution, "rest", 0, 1),
    }  # fmt: skip
    (rest,) = collector.named(CALLER, "Rest: wait for time")
    assert int(rest["endTimeUnixNano"]) - int(rest["startTimeUnixNano"]) >= 1_000_000_000
    assert len(collector.named(CALLER, "Rest waits")) == 1
    first, second = collector.named(CALLER, "Ask")
    assert [span["status"]["code"] for span in (first, second)] == [2, 1]
    assert values(second["attributes"])["http.response.status_code"] == 200
    assert len(collector.named(CALLER, "queue")) == 2
    sent = [span for span in _delivered(collector) if span["parentSpanId"] == attempt_span(execution, "send", 0, 1)]
    assert len(sent) == 2
    tries = [span for span in collector.spans.values() if span.get("parentSpanId") == sent[0]["spanId"]]
    phases = {span["name"] for span in collector.spans.values() if span.get("parentSpanId") == tries[0]["spanId"]}
    assert {"dns", "first byte", "body"} <= phases
    assert collector.resources[0] == {
        "service.name": "workflow-platform", "deployment.environment.name": "tests",
    }  # fmt: skip


def _check_outgoing(collector: Collector, outside: Receiver, execution: str) -> None:
    """What left the platform names the span that sent it."""
    came = {(request.path.split("?")[0], request.headers["traceparent"]) for request in outside.requests}
    for attempt in (1, 2):
        assert ("/asked", f"00-{CALLER}-{attempt_span(execution, 'ask', 0, attempt)}-01") in came
    for path in ("/sent", "/told"):
        for sent_as in (header for found, header in came if found == path):
            assert sent_as.split("-")[2] in collector.spans


def _check_secrets(collector: Collector, platform: Platform) -> None:
    """The collector gets its header, and nobody else; spans have no secrets; members do not see deliveries of spans."""
    assert {headers["api-key"] for headers in collector.headers} == {"very,secret"}
    assert all("hidden" not in str(span) for span in collector.spans.values())
    rows = platform.query(
        "SELECT d.workspace_id, d.body, d.sealed, d.options::text, d.url, a.request_headers::text"
        " FROM webhooks_delivery d JOIN webhooks_deliveryattempt a ON a.delivery_id = d.id"
        " WHERE d.origin = 'trace' AND a.outcome = 'delivered'"
    )
    assert rows
    assert all("very" not in str(row) and row[0] is None and row[1] == "" for row in rows)
    shown = platform.request("GET", "/api/webhooks/deliveries/").json()["results"]
    assert shown
    assert all(each["origin"] != "trace" for each in shown)


def _is_of(span: TraceSpan, execution: str) -> bool:
    return bool(values(span["attributes"])["workflow.execution.id"] == execution)


def _nanoseconds(time: str) -> int:
    moment = datetime.fromisoformat(time)
    return (moment - datetime.fromisoformat("1970-01-01T00:00:00Z")) // timedelta(microseconds=1) * 1_000


def _near(nanoseconds: str, other: int) -> bool:
    return abs(int(nanoseconds) - other) < 1_000_000_000
