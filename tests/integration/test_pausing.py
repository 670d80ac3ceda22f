"""Pause and resume: nothing further starts, and then everything goes on exactly where it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.executing import at_once, events, execute, look, node_statuses, output, query, save, until
from tests.freezing import frozen_workers
from tests.people import Person
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as found:
        yield found


def control(platform: Platform, execution: str, what: str, **body: Any) -> requests.Response:
    return platform.request("POST", f"/api/executions/{execution}/{what}/", json=body)


def asking(platform: Platform, server: Answering, **further: Any) -> str:
    """Start an execution whose second node asks the server, which holds its answer back."""
    nodes = [
        node("start", "manual_trigger"),
        node("ask", "http_request", method="POST", url=f"{server.url}slow", timeout_seconds=60),
        node("after", "set", fields={"after": True}),
    ]
    execution = execute(platform, save(platform, nodes, [edge("start", "ask"), edge("ask", "after")], **further), {})
    wait_until(lambda: server.asked, "The request")
    return execution


def heard(platform: Platform, execution: str) -> None:
    """Wait until its worker has read the requests: it does so more often than the lease is renewed."""
    lease = f"SELECT extract(epoch FROM lease_expires_at)::bigint FROM executions_execution WHERE id = '{execution}'"
    for _ in range(2):
        before = query(platform, lease)
        wait_until(lambda before=before: query(platform, lease) != before, "The heartbeat")  # type: ignore[misc]


def pausing(platform: Platform, **parameters: Any) -> str:
    nodes = [node("start", "manual_trigger"), node("pause", "wait", **parameters), node("after", "no_op")]
    execution = execute(platform, save(platform, nodes, [edge("start", "pause"), edge("pause", "after")]), {"n": 1})
    until(platform, execution, "waiting")
    return execution


def test_a_running_one_pauses_after_the_nodes_in_flight(platform: Platform, server: Answering) -> None:
    execution = asking(platform, server)
    answer = control(platform, execution, "pause", reason="Lunch.")
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert answer.json()["pause_requested"] is True
    heard(platform, execution)
    server.open("slow")
    paused = until(platform, execution, "paused")
    assert paused["pause_requested"] is False
    assert node_statuses(platform, execution) == {"start": "completed", "ask": "completed"}
    assert events(platform, execution, "paused") == [{"reason": "Lunch.", "by": "admin"}]
    assert control(platform, execution, "resume", reason="Back.").status_code == 202
    assert until(platform, execution)["status"] == "completed"
    assert events(platform, execution, "resumed") == [{"reason": "Back.", "by": "admin"}]
    assert len(server.asked) == 1
    assert output(platform, execution, "after")["main"][0]["after"] is True


def test_a_pause_that_has_not_come_is_taken_back(platform: Platform, server: Answering) -> None:
    execution = asking(platform, server)
    assert control(platform, execution, "pause").status_code == 202
    heard(platform, execution)
    assert control(platform, execution, "resume").json()["pause_requested"] is False
    server.open("slow")
    assert until(platform, execution)["status"] == "completed"
    assert events(platform, execution, "paused") == []


def test_a_queued_one_pauses_at_once(platform: Platform) -> None:
    workflow = save(platform, [node("start", "manual_trigger")], [])
    with frozen_workers(platform):
        execution = execute(platform, workflow, {})
        assert control(platform, execution, "pause").json()["status"] == "paused"
    assert control(platform, execution, "resume").status_code == 202
    assert until(platform, execution)["status"] == "completed"


def test_a_waiting_one_pauses_at_once_and_waits_on_when_it_is_resumed(platform: Platform) -> None:
    execution = pausing(platform, seconds=3600)
    wakes = [run["wake_at"] for run in platform.request("GET", f"/api/executions/{execution}/nodes/").json()]
    assert control(platform, execution, "pause").json()["status"] == "paused"
    assert control(platform, execution, "resume").status_code == 202
    until(platform, execution, "waiting")
    assert [run["wake_at"] for run in platform.request("GET", f"/api/executions/{execution}/nodes/").json()] == wakes
    assert len(events(platform, execution, "node_waiting")) == 1
    control(platform, execution, "cancel")


def test_what_falls_due_while_it_is_paused_goes_on_when_it_is_resumed(platform: Platform) -> None:
    execution = pausing(platform, seconds=1)
    control(platform, execution, "pause")
    other = pausing(platform, seconds=1.5)  # falls due later: by its end the first one's time has passed too
    until(platform, other)
    assert look(platform, execution)["status"] == "paused"
    control(platform, execution, "resume")
    assert until(platform, execution)["status"] == "completed"


def test_a_call_to_a_paused_one_is_kept_until_it_is_resumed(platform: Platform) -> None:
    nodes = [
        node("start", "manual_trigger"),
        node("url", "set", fields={"url": "{{ $execution.resumeUrl }}"}),
        node("pause", "wait", webhook=True),
    ]
    execution = execute(platform, save(platform, nodes, [edge("start", "url"), edge("url", "pause")]), {})
    until(platform, execution, "waiting")
    control(platform, execution, "pause")
    url = output(platform, execution, "url")["main"][0]["url"]
    assert requests.post(url, json={"kept": True}, timeout=240).status_code == 202
    assert look(platform, execution)["status"] == "paused"
    control(platform, execution, "resume")
    assert until(platform, execution)["status"] == "completed"
    assert output(platform, execution, "pause")["main"][0]["body"] == {"kept": True}


def test_what_cannot_be_done_is_said(platform: Platform) -> None:
    execution = pausing(platform, seconds=3600)
    refused = control(platform, execution, "resume")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "The execution is not paused; its status is waiting.",
    )
    assert control(platform, execution, "pause").status_code == 202
    refused = control(platform, execution, "pause")
    assert (refused.status_code, refused.json()["detail"]) == (409, "The execution is already paused.")
    assert control(platform, execution, "cancel").status_code == 202
    for what in ("pause", "resume"):
        refused = control(platform, execution, what)
        assert (refused.status_code, refused.json()["detail"]) == (
            409,
            "The execution has ended; its status is cancelled.",
        )
    assert control(platform, execution, "pause", reason="x" * 501).status_code == 400


def test_of_many_at_the_same_instant_one_pauses_and_one_resumes_it(platform: Platform) -> None:
    execution = pausing(platform, seconds=3600)
    for what in ("pause", "resume"):
        answers = at_once(12, lambda _, what=what: control(platform, execution, what).status_code)  # type: ignore[misc]
        assert sorted(answers) == [202] + [409] * 11
    until(platform, execution, "waiting")
    assert (len(events(platform, execution, "paused")), len(events(platform, execution, "resumed"))) == (1, 1)
    control(platform, execution, "cancel")


def test_only_an_editor_pauses_and_resumes(platform: Platform) -> None:
    execution = pausing(platform, seconds=3600)
    for role, status in (("viewer", 403), (None, 404)):
        person = Person(platform, role)
        for what in ("pause", "resume"):
            assert person.request("POST", f"/api/executions/{execution}/{what}/", json={}).status_code == status
    control(platform, execution, "cancel")


def test_the_deadline_counts_running_time_only(platform: Platform) -> None:
    nodes = [node("start", "manual_trigger"), node("pause", "wait", seconds=1.5), node("after", "no_op")]
    edges = [edge("start", "pause"), edge("pause", "after")]
    execution = execute(platform, save(platform, nodes, edges, settings={"max_execution_time_ms": 1000}), {})
    assert until(platform, execution)["status"] == "completed"
