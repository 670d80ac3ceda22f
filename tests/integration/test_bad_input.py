"""Whatever is sent, the answer names the cause, and everything else goes on."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest
import requests
from websockets.asyncio.client import connect

from tests.conftest import Platform
from tests.workflows import edge, node


def run(platform: Platform, *nodes: dict[str, Any], settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a trigger followed by `nodes` in a chain and return the execution at its end."""
    chain = [node("start", "manual_trigger"), *nodes]
    definition = {
        "name": "Bad",
        "nodes": chain,
        "edges": [edge(a["id"], b["id"]) for a, b in pairwise(chain)],
    }
    created = platform.request("POST", "/api/workflows/", json=definition)
    assert created.status_code == 201, created.text
    answer = platform.request("POST", f"/api/workflows/{created.json()['id']}/execute/", json={"wait": 30})
    return dict(answer.json())


def test_malformed_json_is_told_with_its_position(platform: Platform) -> None:
    answer = platform.request(
        "POST", "/api/workflows/", data=b'{"name": ', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert "line 1" in answer.json()["detail"]


def test_a_body_of_50_mb_is_refused(platform: Platform) -> None:
    answer = platform.request("POST", "/api/workflows/", data=b"x" * 50_000_000)
    assert answer.status_code == 413
    assert "50000000 bytes" in answer.json()["detail"]


def test_2000_nodes_are_refused_in_one_sentence(platform: Platform) -> None:
    nodes = [node(f"n{i}", "no_op") for i in range(2000)]
    answer = platform.request("POST", "/api/workflows/", json={"name": "Big", "nodes": nodes, "edges": []})
    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == 1
    assert "2000 nodes" in answer.json()["detail"]


def test_a_bad_graph_is_told_node_by_node(platform: Platform) -> None:
    definition = {
        "name": "Wrong",
        "nodes": [
            node("start", "manual_trigger"),
            node("odd", "unheard_of"),
            node("set", "set", fields={"a": "{{ 1 + }}"}),
            node("split", "split_out"),
            node("alone", "no_op"),
        ],
        "edges": [edge("start", "set"), edge("set", "split"), edge("start", "gone"), edge("start", "odd")],
    }
    errors = platform.request("POST", "/api/workflows/", json=definition).json()["errors"]
    assert {(e["node"], e["field"], e["code"]) for e in errors} == {
        ("odd", "type", "unknown"),
        ("set", "parameters.fields.a", "expression"),
        ("split", "parameters.field", "missing"),
        ("alone", "edges", "unreachable"),
        (None, "target", "dangling"),
    }


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (node("x", "set", fields={"a": "{{ (function () { for (;;) {} })() }}"}), "took longer than 1 s"),
        (node("x", "set", fields={"a": "{{ 'a'.repeat(2 ** 29) }}"}), "needs more than 128 MiB"),
        (node("x", "set", fields={"a": "{{ nobody.knows }}"}), "nobody is not defined"),
        (node("x", "code", code="throw new Error('told you')"), "told you"),
        (node("x", "http_request", url="{{ 'http://127.0.0.1:1/' }}"), "not a public address"),
        (node("x", "http_request", url="{{ 'http://2130706433/' }}"), "not a public address"),
        (node("x", "http_request", url="{{ 'file:///etc/passwd' }}"), "Only http and https"),
        (node("x", "stop_and_error", message="Enough."), "Enough."),
    ],
)
def test_a_failing_node_names_its_cause(platform: Platform, bad: dict[str, Any], said: str) -> None:
    execution = run(platform, bad)
    assert execution["status"] == "failed"
    assert execution["error"]["node"] == "x"
    assert said in execution["error"]["message"]
    assert run(platform, node("fine", "no_op"))["status"] == "completed"


def test_without_a_token_there_is_nothing(platform: Platform) -> None:
    assert requests.get(f"{platform.url}/api/workflows/", timeout=240).status_code == 401
    bad = {"Authorization": "Bearer wfp_guess"}
    assert requests.get(f"{platform.url}/api/workflows/", headers=bad, timeout=240).status_code == 401


async def close_code(url: str, headers: dict[str, str]) -> int:
    async with connect(url, additional_headers=headers) as socket:
        await asyncio.wait_for(socket.wait_closed(), 240)
        assert socket.close_code is not None
        return socket.close_code


async def test_sockets_close_with_a_code_that_says_why(platform: Platform) -> None:
    good = {"Authorization": f"Bearer {platform.token}"}
    assert await close_code(platform.ws_url, {}) == 4401
    nowhere = platform.ws_url + "executions/00000000-0000-0000-0000-000000000000/"
    assert await close_code(nowhere, good) == 4404


async def test_bad_frames_are_answered_and_the_socket_lives_on(platform: Platform) -> None:
    async with connect(platform.ws_url, additional_headers={"Authorization": f"Bearer {platform.token}"}) as socket:
        for frame, code in [
            ("{", "bad_frame"),
            ("[]", "bad_frame"),
            (json.dumps({"type": "subscribe", "stream": "execution:nonsense"}), "not_found"),
            (json.dumps({"type": "subscribe", "stream": "executions", "after": "x"}), "bad_frame"),
        ]:
            await socket.send(frame)
            assert json.loads(await asyncio.wait_for(socket.recv(), 240))["code"] == code
        await socket.send(json.dumps({"type": "ping"}))
        assert json.loads(await asyncio.wait_for(socket.recv(), 240)) == {"type": "pong"}


def test_every_list_refuses_parameters_that_it_does_not_have(platform: Platform) -> None:
    execution = run(platform)["id"]
    document = platform.request("GET", "/api/schema/?format=json").json()
    paths = [path for path, operations in document["paths"].items() if "get" in operations and "{" not in path]
    paths += [f"/api/executions/{execution}/{part}/" for part in ("nodes", "events", "trace", "nodes/start/output")]
    assert len(paths) > 25
    for path in paths:
        answer = platform.request("GET", f"{path}?nonsense=failed")
        if path == "/api/events/export/":
            assert answer.status_code == 400
            continue
        assert answer.status_code == 400, path
        (error,) = [each for each in answer.json()["errors"] if each["field"] == "nonsense"]
        assert error["message"].startswith("Unknown parameter. Known parameters: "), path
    for path in ("/api/node-types/", f"/api/executions/{execution}/nodes/"):
        answer = platform.request("GET", f"{path}?cursor=x")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")
    assert platform.request("GET", "/api/node-types/?format=json").status_code == 200


def test_outputs_of_nodes_with_any_id_can_be_read(platform: Platform) -> None:
    ids = ["a/b", "50%", "q?x#y", "😀", "ö ä", "x/output", "a//b", "%2F", "a\nb", " "]
    execution = run(platform, *(node(each, "no_op") for each in ids))["id"]
    for each in ids:
        answer = platform.request("GET", f"/api/executions/{execution}/nodes/{quote(each, safe='')}/output/")
        assert (each, answer.status_code, answer.json().get("node")) == (each, 200, each)
    definition = {"name": "Dots", "nodes": [node("..", "manual_trigger")], "edges": []}
    refused = platform.request("POST", "/api/workflows/", json=definition)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "id")


def test_bodies_that_act_refuse_fields_that_they_do_not_have(platform: Platform) -> None:
    graph = {"name": "Strict", "nodes": [node("t", "manual_trigger")]}
    workflow, execution = platform.request("POST", "/api/workflows/", json=graph).json(), run(platform)["id"]
    path = f"/api/workflows/{workflow['id']}/"
    for method, url, body in (
        ("POST", "/api/workflows/", graph | {"node": []}),
        ("PATCH", path, {"activ": True}),
        ("POST", f"{path}execute/", {"inputs": [{"n": 1}]}),
        ("POST", f"/api/executions/{execution}/rerun/", {"dryrun": True}),
        ("POST", "/api/executions/rerun/", {"dryrun": True, "ids": [execution]}),
    ):
        answer = platform.request(method, url, json=body)
        assert (answer.status_code, "Unknown field" in answer.text) == (400, True), (url, answer.text)
    assert platform.request("PUT", path, json=workflow | {"name": "As it was read"}).status_code == 200
