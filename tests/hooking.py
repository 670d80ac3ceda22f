"""Webhook triggers on the platform under test: made as people make them, called as others call them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import requests

from tests.conftest import Platform
from tests.workflows import edge, node


class Hook:
    """An active workflow with a webhook trigger at a path of its own, behind which it does nothing."""

    def __init__(self, platform: Platform, active: bool = True, **parameters: Any) -> None:
        self.platform = platform
        self.path = f"hook-{uuid4().hex[:10]}"
        self.parameters = parameters
        answer = platform.request("POST", "/api/workflows/", json=self.definition() | {"active": active})
        assert answer.status_code == 201, answer.text
        self.workflow = answer.json()["id"]

    def definition(self) -> dict[str, Any]:
        trigger = node("hook", "webhook_trigger", path=self.path, **self.parameters)
        return {"name": f"Hook {self.path}", "nodes": [trigger, node("end", "no_op")], "edges": [edge("hook", "end")]}

    def call(self, body: bytes = b"{}", headers: dict[str, str] | None = None, **more: Any) -> requests.Response:
        """Post to it, as somebody outside does."""
        base = "/hooks/test/" if more.pop("test", False) else "/hooks/"
        given = {"Content-Type": "application/json"} | (headers or {})
        method, url = more.pop("method", "POST"), self.platform.url + base + self.path + more.pop("query", "")
        return requests.request(method, url, data=body, headers=given, timeout=240, **more)

    def log(self) -> list[dict[str, Any]]:
        """Return the rows that were kept of requests to it, the oldest first."""
        names = (
            "id, accepted, status_code, reason, execution_id, workflow_id, headers, query, body, body_bytes,"
            " message_id, test, method, content_type, address"
        )
        found = self.platform.query(
            f"SELECT {names} FROM webhooks_inboundrequest WHERE path = %s ORDER BY id",
            self.path,
        )
        return [dict(zip(names.replace(" ", "").split(","), row, strict=True)) for row in found]

    def item(self, execution_id: str) -> dict[str, Any]:
        """Return the item that an execution began with."""
        ((items,),) = self.platform.query("SELECT input FROM executions_execution WHERE id = %s", execution_id)
        return dict(items[0])


def credential(platform: Platform, type: str, **data: str) -> str:
    """Make a credential. Returns its name."""
    name = f"{type} {uuid4().hex[:8]}"
    answer = platform.request("POST", "/api/credentials/", json={"name": name, "type": type, "data": data})
    assert answer.status_code == 201, answer.text
    return name


def credential_id(platform: Platform, name: str) -> str:
    found = platform.query("SELECT id FROM executions_credential WHERE name = %s", name)
    return str(found[0][0])
