"""The workflows of the chaos run, with what each must have done once it has ended, whatever happened meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.workflows import edge, node


@dataclass(frozen=True)
class Shape:
    """A workflow and its outcome: status, effects outside, and the items of its last node."""

    name: str
    definition: dict[str, Any]
    effects: frozenset[str]
    last: str
    items: list[dict[str, Any]] | None
    status: str = "completed"


def post(id: str, url: str, effect: str | None = None, **further: Any) -> dict[str, Any]:
    body = {"execution": "{{ $execution.id }}", "effect": effect or id}
    return node(id, "http_request", method="POST", url=url, body=body, timeout_seconds=60) | further


def chained(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"nodes": list(nodes), "edges": [edge(a["id"], b["id"]) for a, b in pairwise(nodes)]}


def chain(url: str) -> Shape:
    definition = chained(
        node("start", "manual_trigger"),
        node("one", "set", fields={"n": 1}),
        node("two", "code", code="return $input.all().map(i => ({ n: i.json.n + 1 }))"),
        post("ask", url),
        node("end", "set", fields={"taken": "{{ $json.body.taken }}"}, keep_other_fields=False),
    )
    return Shape("chain", definition, frozenset({"ask"}), "end", [{"taken": "ask"}])


def fan_out(url: str) -> Shape:
    branches = [post(f"ask{n}", url) for n in range(1, 6)]
    nodes = [node("start", "manual_trigger"), *branches, node("merge", "merge")]
    nodes.append(node("end", "set", fields={"taken": "{{ $json.body.taken }}"}, keep_other_fields=False))
    edges = [edge("start", branch["id"]) for branch in branches]
    edges += [edge(branch["id"], "merge", "main", f"input{n}") for n, branch in enumerate(branches, 1)]
    edges.append(edge("merge", "end"))
    names = [branch["id"] for branch in branches]
    definition = {"nodes": nodes, "edges": edges}
    return Shape("fan-out", definition, frozenset(names), "end", [{"taken": name} for name in names])


def loop(url: str) -> Shape:
    definition = {
        "nodes": [
            node("start", "manual_trigger"),
            node("numbers", "code", code="return [1, 2, 3, 4].map(n => ({ n }))"),
            node("each", "loop", batch_size=1),
            post("ask", url, "turn {{ $json.n }}"),
            node("end", "aggregate", into="turns"),
        ],
        "edges": [
            edge("start", "numbers"),
            edge("numbers", "each"),
            edge("each", "ask", "loop"),
            edge("ask", "each"),
            edge("each", "end", "done"),
        ],
    }
    return Shape("loop", definition, frozenset(f"turn {n}" for n in range(1, 5)), "end", None)


def wait(url: str) -> Shape:
    definition = chained(
        node("start", "manual_trigger"),
        post("before", url),
        node("pause", "wait", seconds="{{ 1 + $execution.id.charCodeAt(35) % 3 }}"),
        post("after", url),
        node("end", "set", fields={"taken": "{{ $json.body.taken }}"}, keep_other_fields=False),
    )
    return Shape("wait", definition, frozenset({"before", "after"}), "end", [{"taken": "after"}])


def retry(url: str) -> Shape:
    definition = chained(
        node("start", "manual_trigger"),
        post("ask", f"{url}/flaky", retry={"attempts": 4, "delay_ms": 300}),
        node("end", "set", fields={"status": "{{ $json.status }}"}, keep_other_fields=False),
    )
    return Shape("retry", definition, frozenset({"ask"}), "end", [{"status": 200}])


def slow(url: str) -> Shape:
    definition = chained(
        node("start", "manual_trigger"),
        post("ask", f"{url}/slow"),
        node("compute", "code", code="let s = 0; for (let i = 0; i < 3e6; i++) { s += i % 7; } return [{ s }]"),
        post("tell", f"{url}/slow"),
        node("end", "set", fields={"taken": "{{ $json.body.taken }}"}, keep_other_fields=False),
    )
    return Shape("slow", definition, frozenset({"ask", "tell"}), "end", [{"taken": "tell"}])


def failing(url: str) -> Shape:
    definition = chained(
        node("start", "manual_trigger"), post("ask", url), node("end", "stop_and_error", message="As it was built.")
    )
    return Shape("failing", definition, frozenset({"ask"}), "end", None, "failed")


SHAPES: tuple[Callable[[str], Shape], ...] = (chain, fan_out, loop, wait, retry, slow, failing)
