"""The limits hold while real workers run: what is counted is how many requests a server sees at a time."""

from __future__ import annotations

from typing import Any

from tests.answering import answering
from tests.conftest import Platform
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


def create(platform: Platform, url: str, **settings: Any) -> str:
    definition = {
        "name": "Asks a slow server",
        "nodes": [
            node("start", "manual_trigger"),
            node("ask", "http_request", method="POST", url=url, body={}, timeout_seconds=60),
        ],
        "edges": [edge("start", "ask")],
        "settings": settings,
    }
    answer = platform.request("POST", "/api/workflows/", json=definition)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def execute(platform: Platform, workflow: str, **item: Any) -> str:
    answer = platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"input": [item]})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def get(platform: Platform, execution: str) -> dict[str, Any]:
    return dict(platform.request("GET", f"/api/executions/{execution}/").json())


def test_a_workflow_with_a_limit_asks_no_more_often_at_a_time_and_the_rest_say_why_they_wait(
    platform: Platform,
) -> None:
    with answering() as server:
        workflow = create(platform, server.url, concurrency={"limit": 2})
        made = [execute(platform, workflow) for _ in range(6)]
        wait_until(lambda: len(server.asked) == 2, "Two requests")
        queues = [found["queue"] for one in made if (found := get(platform, one))["status"] == "queued"]
        assert [queue["reason"] for queue in queues] == ["workflow_concurrency"] * 4
        assert sorted(queue["place"] for queue in queues) == [1, 2, 3, 4]
        running = {one for one in made if get(platform, one)["status"] == "running"}
        assert {holder["execution"] for holder in queues[0]["holders"]} == running
        assert len(server.asked) == 2
        server.open()
        wait_until(lambda: all(get(platform, one)["status"] == "completed" for one in made), "The end of all")
        assert len(server.asked) == 6


def test_an_execution_that_is_replaced_stops_and_the_newest_runs(platform: Platform) -> None:
    with answering() as server:
        workflow = create(platform, server.url, concurrency={"limit": 1, "policy": "cancel_running"})
        first = execute(platform, workflow)
        wait_until(lambda: len(server.asked) == 1, "The first request")
        second = execute(platform, workflow)
        wait_until(lambda: get(platform, first)["status"] == "cancelled", "The end of the first")
        wait_until(lambda: len(server.asked) == 2, "The request of the second")
        server.open()
        wait_until(lambda: get(platform, second)["status"] == "completed", "The end of the second")


def test_keys_run_beside_each_other_and_each_one_by_one(platform: Platform) -> None:
    with answering() as server:
        key = "{{ $json.customer }}"
        workflow = create(platform, server.url, concurrency={"limit": 1, "key": key})
        made = [execute(platform, workflow, customer=name) for name in ("ada", "ada", "bob", "cleo")]
        wait_until(lambda: len(server.asked) == 3, "A request of each customer")
        assert get(platform, made[1])["queue"]["reason"] == "key_concurrency"
        server.open()
        wait_until(lambda: all(get(platform, one)["status"] == "completed" for one in made), "The end of all")
