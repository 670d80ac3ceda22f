"""`wait` for a call: the execution's URL goes on with it, once."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.conftest import Platform
from tests.executing import at_once, events, execute, look, node_statuses, output, save, until
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


def waiting(platform: Platform, **parameters: Any) -> tuple[str, str]:
    """Start an execution that waits for a call. Returns its id and the URL."""
    nodes = [
        node("start", "manual_trigger"),
        node("url", "set", fields={"url": "{{ $execution.resumeUrl }}"}),
        node("pause", "wait", webhook=True, **parameters),
        node(
            "after", "set", fields={"said": "{{ $json.body ? $json.body.said : 'nothing' }}"}, keep_other_fields=False
        ),
    ]
    edges = [edge("start", "url"), edge("url", "pause"), edge("pause", "after")]
    execution = execute(platform, save(platform, nodes, edges), {"n": 1})
    until(platform, execution, "waiting")
    return execution, output(platform, execution, "url")["main"][0]["url"]


def test_the_call_is_the_item_that_it_goes_on_with(platform: Platform) -> None:
    execution, url = waiting(platform)
    assert url.startswith(f"{platform.url}/hooks/resume/{execution}/")
    (told,) = events(platform, execution, "node_waiting")
    assert (told["kind"], told["until"], told["reason"]) == ("webhook", None, "Waiting for a call to the resume URL.")
    answer = requests.put(url, params={"q": "1"}, json={"said": "hello"}, timeout=240)
    assert (answer.status_code, answer.json()) == (202, {"execution_id": execution})
    assert until(platform, execution)["status"] == "completed"
    (item,) = output(platform, execution, "pause")["main"]
    assert (item["method"], item["query"], item["body"]) == ("PUT", {"q": "1"}, {"said": "hello"})
    assert url.rsplit("/", 1)[1] not in str(item)
    assert output(platform, execution, "after") == {"main": [{"said": "hello"}]}


def test_of_many_calls_at_the_same_instant_one_is_taken(platform: Platform) -> None:
    execution, url = waiting(platform)
    answers = at_once(20, lambda index: requests.post(url, json={"said": index}, timeout=240))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 19
    (taken,) = (index for index, answer in enumerate(answers) if answer.status_code == 202)
    assert until(platform, execution)["status"] == "completed"
    assert output(platform, execution, "after") == {"main": [{"said": taken}]}
    assert len(events(platform, execution, "resumed")) == 1
    late = requests.post(url, json={}, timeout=240)
    assert (late.status_code, late.headers["Retry-After"]) == (409, "1")


def test_a_wrong_signature_opens_nothing(platform: Platform) -> None:
    execution, url = waiting(platform)
    assert requests.post(url[:-1] + ("0" if url[-1] != "0" else "1"), timeout=240).status_code == 404
    assert requests.head(url, timeout=240).status_code == 405
    assert look(platform, execution)["status"] == "waiting"
    assert requests.post(url, data="{", headers={"Content-Type": "application/json"}, timeout=240).status_code == 400
    platform.request("POST", f"/api/executions/{execution}/cancel/", json={})
    assert requests.post(url, timeout=240).status_code == 409


def test_without_a_call_in_time_the_node_fails(platform: Platform) -> None:
    execution, url = waiting(platform, timeout_seconds=0.5)
    ended = until(platform, execution)
    assert ended["status"] == "failed"
    assert ended["error"]["message"] == "No call was received within 0.5 s."
    assert requests.post(url, timeout=240).status_code == 409


def test_without_a_call_in_time_it_goes_on_where_it_is_told_to(platform: Platform) -> None:
    execution, _ = waiting(platform, timeout_seconds=0.5, on_timeout="continue")
    assert until(platform, execution)["status"] == "completed"
    assert output(platform, execution, "pause")["main"][0]["n"] == 1


def test_two_that_wait_at_a_time_are_told_apart_by_node(platform: Platform) -> None:
    nodes = [
        node("start", "manual_trigger"),
        node("url", "set", fields={"url": "{{ $execution.resumeUrl }}"}),
        node("left", "wait", webhook=True),
        node("right", "wait", webhook=True),
    ]
    workflow = save(platform, nodes, [edge("start", "url"), edge("url", "left"), edge("url", "right")])
    execution = execute(platform, workflow, {})
    until(platform, execution, "waiting")
    url = output(platform, execution, "url")["main"][0]["url"]
    assert requests.post(f"{url}?node=right", json={}, timeout=240).status_code == 202
    assert requests.post(f"{url}?node=right", json={}, timeout=240).status_code == 409
    until(platform, execution, "waiting")
    assert requests.post(url, json={}, timeout=240).status_code == 202
    assert until(platform, execution)["status"] == "completed"
    assert set(node_statuses(platform, execution).values()) == {"completed"}


def test_in_a_loop_each_turn_takes_a_call_of_its_own(platform: Platform) -> None:
    nodes = [
        node("start", "manual_trigger"),
        node("url", "set", fields={"url": "{{ $execution.resumeUrl }}"}),
        node("each", "loop", batch_size=1),
        node("pause", "wait", webhook=True),
    ]
    edges = [edge("start", "url"), edge("url", "each"), edge("each", "pause", "loop"), edge("pause", "each")]
    execution = execute(platform, save(platform, nodes, edges), {"n": 0}, {"n": 1}, {"n": 2})
    for turn in range(3):
        wait_until(lambda turn=turn: len(events(platform, execution, "node_waiting")) == turn + 1, "The next turn")  # type: ignore[misc]
        url = output(platform, execution, "url")["main"][0]["url"]
        assert requests.post(url, json={"turn": turn}, timeout=240).status_code == 202
    assert until(platform, execution)["status"] == "completed"
    said = [output(platform, execution, "pause", turn)["main"][0]["body"] for turn in range(3)]
    assert said == [{"turn": 0}, {"turn": 1}, {"turn": 2}]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "parameters"),
        ({"webhook": True, "seconds": 1}, "parameters"),
        ({"seconds": 1, "timeout_seconds": 3}, "parameters.timeout_seconds"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_when_it_is_saved(
    platform: Platform, parameters: dict[str, Any], field: str
) -> None:
    nodes = [node("start", "manual_trigger"), node("pause", "wait", **parameters)]
    answer = platform.request(
        "POST", "/api/workflows/", json={"name": "W", "nodes": nodes, "edges": [edge("start", "pause")]}
    )
    assert answer.status_code == 400
    assert [(found["node"], found["field"]) for found in answer.json()["errors"]] == [("pause", field)]
