from __future__ import annotations

import threading
from typing import Any

import pytest

from executions.domain.errors import NodeError
from tests.answering import answering
from tests.unit.nodes.running import run, run_in_context


def test_each_item_is_a_request_with_a_key_of_its_own(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    with answering() as server:
        server.open("a")
        url = server.url + "{{ $json.path }}"
        result = run("http_request", {"path": "a"}, {"path": "a"}, method="POST", url=url, body={"n": 1})
        keys = [asked["idempotency-key"] for asked in server.asked]
    assert [(item["status"], item["body"]) for item in result.outputs["main"]] == [
        (200, {"asked": 1}),
        (200, {"asked": 2}),
    ]
    assert keys == ["execution/node/0/0", "execution/node/0/1"]


def test_an_answer_that_does_not_come_in_time_can_be_tried_again(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    with answering() as server, pytest.raises(NodeError) as raised:
        run("http_request", {}, method="POST", url=server.url, timeout_seconds=0.2)
    assert raised.value.retryable


def test_an_error_status_fails_unless_it_is_wanted(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    with answering() as server:  # it knows POST alone: 501 for anything else
        with pytest.raises(NodeError, match="responded with status 501"):
            run("http_request", {}, url=server.url)
        result = run("http_request", {}, url=server.url, fail_on_error_status=False)
    assert result.outputs["main"][0]["status"] == 501


def test_a_private_address_is_refused_for_good() -> None:
    with pytest.raises(NodeError, match=r"parameters\.url") as raised:
        run("http_request", {}, url="http://127.0.0.1/")
    assert not raised.value.retryable


def test_a_cancelled_run_sends_nothing() -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(NodeError, match="Cancelled"):
        run_in_context("http_request", {"main": [{}]}, {"cancelled": cancelled}, url="http://127.0.0.1/")
