"""What an execution gives back: to a parent, to the caller of a webhook, and from the cache."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import requests

from tests.conftest import Platform
from tests.executing import execute, look, node_statuses, output, save, until
from tests.workflows import edge, node

START = node("start", "manual_trigger")
SPLIT = node("if", "if", condition="{{ $json.i === 2 }}")
NOTHING = node("none", "filter", condition="{{ false }}")
END, OTHER = node("end", "no_op"), node("other", "no_op")
THREE = [{"i": 1}, {"i": 2}, {"i": 3}]


def test_a_parent_gets_the_items_of_all_last_nodes_in_order(platform: Platform) -> None:
    first = edge("start", "if")
    children = {
        "nothing": ([START, NOTHING], [edge("start", "none")], []),
        "skipped": ([START, NOTHING, END], [edge("start", "none"), edge("none", "end")], []),
        "runs": (
            [START, SPLIT, END],
            [first, edge("if", "end", "true"), edge("if", "end", "false")],
            [{"i": 2}, {"i": 1}, {"i": 3}],
        ),
        "ends": (
            [START, SPLIT, OTHER, END],
            [first, edge("if", "end", "true"), edge("if", "other", "false")],
            [{"i": 1}, {"i": 3}, {"i": 2}],
        ),
        "left out": ([START, SPLIT, END], [first, edge("if", "end", "true")], [{"i": 2}]),
    }
    started = {}
    for name, (nodes, edges, _) in children.items():
        child = save(platform, nodes, edges, name=f"Child {uuid4().hex[:8]}")
        calls = [START, node("call", "execute_workflow", workflow=child), node("after", "no_op")]
        parent = save(platform, calls, [edge("start", "call"), edge("call", "after")], name=f"Parent {name}")
        started[name] = execute(platform, parent, *THREE)
    for name, (_, _, expected) in children.items():
        assert until(platform, started[name])["status"] == "completed", name
        assert output(platform, started[name], "call").get("main", []) == expected, name
        after = node_statuses(platform, started[name])["after"]
        assert after == ("completed" if expected else "skipped"), name


def answers(platform: Platform, path: str, *nodes: dict[str, Any], edges: Any, **more: Any) -> requests.Response:
    trigger = node("hook", "webhook_trigger", path=path, **more.pop("trigger"))
    save(platform, [trigger, *nodes], edges, name=f"Hook {path}", active=True, **more)
    return requests.post(f"{platform.url}/hooks/{path}", json={"secret": "x"}, timeout=240)


def test_the_caller_of_a_webhook_gets_what_the_workflow_gave(platform: Platform) -> None:
    run = uuid4().hex[:8]
    drops = {"edges": [edge("hook", "none"), edge("none", "end")]}
    answer = answers(platform, f"drops-{run}", NOTHING, END, **drops, trigger={"respond": "on_completion"})
    assert (answer.status_code, answer.json()["items"]) == (200, [])

    respond = node("respond", "respond_to_webhook", headers={"X-Total": "{{ 1 + 1 }}", "X-None": "{{ null }}"})
    unanswered = {"edges": [edge("hook", "none"), edge("none", "respond"), edge("hook", "end")]}
    answer = answers(platform, f"none-{run}", NOTHING, respond, END, **unanswered, trigger={"respond": "respond_node"})
    assert (answer.status_code, answer.content) == (200, b"")
    default = {"status": 404, "headers": {"X-Why": 7}, "body": {"found": False}}
    trigger = {"respond": "respond_node", "default_response": default}
    answer = answers(platform, f"default-{run}", NOTHING, respond, END, **unanswered, trigger=trigger)
    assert (answer.status_code, answer.headers["X-Why"], answer.json()) == (404, "7", {"found": False})
    answer = answers(
        platform, f"answer-{run}", respond, edges=[edge("hook", "respond")], trigger={"respond": "respond_node"}
    )
    assert (answer.status_code, answer.headers["X-Total"], "X-None" in answer.headers) == (200, "2", False)
    latin = {"Content-Type": "text/plain; charset=iso-8859-1"}
    respond = node("respond", "respond_to_webhook", headers=latin, body="é")
    answer = answers(
        platform, f"latin-{run}", respond, edges=[edge("hook", "respond")], trigger={"respond": "respond_node"}
    )
    assert (answer.content, answer.headers["Content-Length"]) == (b"\xe9", "1")


def test_a_cached_execution_gives_the_same_result(platform: Platform) -> None:
    edges = [edge("start", "if"), edge("if", "end", "true"), edge("if", "other", "false")]
    child = save(platform, [START, SPLIT, OTHER, END], edges, name=uuid4().hex, settings={"cache": {"ttl": 600}})
    parent = save(platform, [START, node("call", "execute_workflow", workflow=child)], [edge("start", "call")])
    for is_cached in (False, True):
        execution = execute(platform, parent, *THREE)
        assert until(platform, execution)["status"] == "completed"
        assert output(platform, execution, "call")["main"] == [{"i": 1}, {"i": 3}, {"i": 2}]
        (made,) = look(platform, execution)["children"]
        assert (look(platform, made["id"])["cached_from"] is not None) == is_cached
