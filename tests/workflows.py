"""Graphs that several tests run."""

from __future__ import annotations

from typing import Any


def node(id: str, type: str, **parameters: Any) -> dict[str, Any]:
    return {"id": id, "name": id.title(), "type": type, "parameters": parameters}


def edge(source: str, target: str, output: str = "main", input: str = "main") -> dict[str, Any]:
    return {"source": source, "target": target, "source_output": output, "target_input": input}


TWELVE_NODES: dict[str, Any] = {
    "name": "Twelve nodes",
    "nodes": [
        node("start", "manual_trigger"),
        node("numbers", "code", code="return [1, 2, 3, 4, 5].map(n => ({ n }))"),
        node("odd", "if", condition="{{ $json.n % 2 }}"),
        node("tens", "set", fields={"ten": "{{ $json.n * 10 }}"}),
        node("each", "loop", batch_size=1),
        node("seen", "set", fields={"seen": True}),
        node("which", "switch", cases=[{"name": "never", "condition": "{{ false }}"}]),
        node("never", "no_op"),
        node("pause", "wait", seconds=0.3),
        node("both", "merge"),
        node("few", "filter", condition="{{ $json.n < 5 }}"),
        node("report", "aggregate", into="numbers"),
    ],
    "edges": [
        edge("start", "numbers"),
        edge("numbers", "odd"),
        edge("odd", "tens", "true"),
        edge("odd", "each", "false"),
        edge("each", "seen", "loop"),
        edge("seen", "each"),
        edge("each", "which", "done"),
        edge("which", "never", "never"),
        edge("which", "pause", "fallback"),
        edge("tens", "both", "main", "input1"),
        edge("pause", "both", "main", "input2"),
        edge("both", "few"),
        edge("few", "report"),
    ],
}
TWELVE_NODES_RESULT = [
    {"n": 1, "ten": 10},
    {"n": 3, "ten": 30},
    {"n": 2, "seen": True},
    {"n": 4, "seen": True},
]


def gated(url: str) -> dict[str, Any]:
    """Return a graph of twelve nodes with branches, merge and loop, that asks `url`first and `url`second on its way:
    it cannot go on before the test lets the server (tests.answering) answer."""
    ask = {"method": "POST", "timeout_seconds": 120}
    nodes = [n for n in TWELVE_NODES["nodes"] if n["id"] not in {"pause", "few"}]
    nodes += [node("first", "http_request", url=f"{url}first", **ask)]
    nodes += [node("pause", "http_request", url=f"{url}second", **ask)]
    edges = [e for e in TWELVE_NODES["edges"][1:] if "few" not in e.values()]
    return {
        "name": "Twelve nodes with two gates",
        "nodes": nodes,
        "edges": [edge("start", "first"), edge("first", "numbers"), *edges, edge("both", "report")],
    }


BUSY = ("a wait", "a wait for a call", "a code node", "a call that is not answered", "a pause before a retry")
"""What an execution may be at for a minute and more."""


def busy_graph(how: str, url: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the nodes and edges of a graph whose node `busy` is at one of BUSY; `never` at the URL answers nobody."""
    retry = {"attempts": 5, "delay_ms": 600_000, "on": "all"}
    busy = {
        "a wait": node("busy", "wait", seconds=3600),
        "a wait for a call": node("busy", "wait", webhook=True),
        "a code node": node("busy", "code", code="while (true);", time_limit_seconds=60),
        "a call that is not answered": node(
            "busy", "http_request", method="POST", url=f"{url}never", timeout_seconds=60
        ),
        "a pause before a retry": node("busy", "stop_and_error", message="No.") | {"retry": retry},
    }[how]
    nodes, edges = [node("start", "manual_trigger"), busy], [edge("start", "busy")]
    if busy["type"] == "stop_and_error":
        return nodes, edges
    return [*nodes, node("after", "no_op")], [*edges, edge("busy", "after")]
