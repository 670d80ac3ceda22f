"""`send_webhook` from the API's call to the receiver's answer, with real workers."""

from __future__ import annotations

import json
from typing import Any

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.executing import events, execute, look, output, save, until
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


def sending(platform: Platform, **parameters: Any) -> str:
    nodes = [node("start", "manual_trigger"), node("send", "send_webhook", wait=True, **parameters)]
    nodes += [node("well", "no_op"), node("badly", "no_op")]
    edges = [edge("start", "send"), edge("send", "well", "delivered"), edge("send", "badly", "failed")]
    return save(platform, nodes, edges, name="Sends and branches")


def url_of(server: Answering, path: str = "") -> str:
    server.open(path)
    return server.url + path


def test_the_ends_of_deliveries_decide_how_a_workflow_goes_on(platform: Platform) -> None:
    quickly = {"preset": "custom", "delays_seconds": [0.05]}
    with answering() as server:
        server.statuses = [503, 200, 404]
        workflow = sending(
            platform, url=url_of(server) + "{{ $json.path }}", retry=quickly, body={"n": "{{ $json.n }}"}
        )
        execution = execute(platform, workflow, {"path": "", "n": 1})
        assert until(platform, execution)["status"] == "completed"
        (well,) = output(platform, execution, "well")["main"]
        assert (well["status"], well["status_code"], well["attempts"]) == ("delivered", 200, 2)
        (told,) = events(platform, execution, "node_waiting")
        assert (told["kind"], "2 attempts" in told["reason"]) == ("delivery", True)
        execution = execute(platform, workflow, {"path": "", "n": 2})
        assert until(platform, execution)["status"] == "completed"
        (badly,) = output(platform, execution, "badly")["main"]
        assert (badly["status"], badly["status_code"], badly["attempts"]) == ("failed", 404, 1)
        assert "404" in badly["error"]
        assert [json.loads(body) for body in server.bodies] == [{"n": 1}, {"n": 1}, {"n": 2}]
        assert len({asked["webhook-id"] for asked in server.asked}) == 2


def test_cancelling_says_what_had_left_and_stops_the_rest(platform: Platform) -> None:
    long = {"preset": "custom", "delays_seconds": [3600]}
    with answering() as server:
        server.statuses = [200, 503, 503]
        workflow = sending(platform, url=url_of(server), retry=long)
        execution = execute(platform, workflow, {"n": 1}, {"n": 2}, {"n": 3})
        wait_until(lambda: len(server.asked) == 3, "The first attempts")
        counted = (
            "SELECT count(*) FROM webhooks_delivery WHERE execution_id = %s AND origin = 'node' AND status_code > 0"
        )
        wait_until(lambda: platform.query(counted, execution) == [(3,)], "Their record")
        until(platform, execution, "waiting")
        answer = platform.request("POST", f"/api/executions/{execution}/cancel/", json={"reason": "Enough."})
        told = answer.json()["cancelled_deliveries"]
        assert (told["withdrawn"], told["arrived"], told["under_way"], len(told["left"])) == (2, 1, 0, 1)
        assert look(platform, execution)["status"] == "cancelled"
        assert events(platform, execution, "cancelled")[0]["deliveries"] == told
