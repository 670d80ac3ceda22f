"""An endpoint made over the API is sent what it wants by real workers, and the log shows how, without secrets."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import Platform
from tests.receiving import receiving
from tests.workflows import edge, node
from webhooks import signing
from workflow_platform.installation.embedded import wait_until

SECRET = "correct-horse-battery"


def test_a_delivery_is_followed_from_its_event_to_the_answer(platform: Platform) -> None:
    definition = {
        "name": "Told of",
        "nodes": [node("start", "manual_trigger"), node("end", "no_op")],
        "edges": [edge("start", "end")],
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]

    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = platform.request(method, f"/api/webhooks/{path}", json=body)
        assert answer.ok, answer.text
        assert SECRET not in answer.text
        return answer.json()

    def delivered(**filters: str) -> Any:
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        wait_until(lambda: ask("GET", f"deliveries/?{query}&status=delivered")["results"], f"A delivery: {query}")
        return ask("GET", f"deliveries/?{query}")["results"][0]

    with receiving() as receiver:
        endpoint = ask("POST", "endpoints/", {
            "url": receiver.url,
            "event_types": ["execution.completed"],
            "workflow": workflow,
            "auth": {"type": "bearer", "token": SECRET},
            "headers": {"X-Key": SECRET},
            "filter": "event.type === 'execution.completed'",
            "transform": "return { told: event.type }",
        })  # fmt: skip
        execution = platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"wait": 30}).json()["id"]
        told = delivered(endpoint=endpoint["id"], execution=execution)
        assert (told["event_type"], told["attempts_made"], told["status_code"]) == ("execution.completed", 1, 200)
        (request,) = receiver.requests
        assert signing.verify([endpoint["secret"]], request.headers, request.body) == told["message_id"]
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert json.loads(request.body) == {"told": "execution.completed"}
        (attempt,) = ask("GET", f"deliveries/{told['id']}/attempts/")
        assert (attempt["outcome"], attempt["status_code"], attempt["response_body"]) == ("delivered", 200, "ok")
        assert attempt["total_ms"] > 0
        test = ask("POST", f"endpoints/{endpoint['id']}/test/", {"event_type": "execution.completed"})
        assert delivered(endpoint=endpoint["id"], origin="test")["id"] == test["id"]
        ask("POST", f"deliveries/{told['id']}/redeliver/")
        wait_until(lambda: receiver.ids.count(told["message_id"]) == 2, "The same delivery again")
        ad_hoc = ask("POST", "deliveries/", {"url": receiver.url, "body": {"n": 1}, "priority": "high"})
        wait_until(lambda: ad_hoc["message_id"] in receiver.ids, "The ad-hoc delivery")
        stats = ask("GET", f"deliveries/stats/?endpoint={endpoint['id']}")
        assert (stats["total"]["success_rate"], stats["endpoints"][0]["endpoint"]) == (1.0, endpoint["id"])
    platform.request("DELETE", f"/api/webhooks/endpoints/{endpoint['id']}/")
