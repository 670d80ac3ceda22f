"""What webhooks accept from the web: compressed bodies, paths with parameters, and pages of other sites."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import pytest
import requests

from tests.conftest import Platform
from tests.hooking import Hook

PAGE = "https://shop.example"


@pytest.fixture(scope="module")
def hook(platform: Platform) -> Hook:
    return Hook(platform)


def test_compressed_bodies_are_unpacked_within_the_limit(hook: Hook) -> None:
    def call(body: bytes, encoding: str) -> requests.Response:
        return hook.call(body, {"Content-Encoding": encoding})

    accepted = call(gzip.compress(b'{"a":1}'), "gzip")
    assert hook.item(accepted.json()["execution_id"])["body"] == {"a": 1}
    bomb = call(gzip.compress(b"0" * 50_000_000), "gzip")
    assert (bomb.status_code, "larger than" in bomb.json()["detail"]) == (413, True)
    unknown = call(b"x", "br")
    assert (unknown.status_code, unknown.headers["Accept-Encoding"]) == (415, "gzip, deflate")
    assert call(b"{}", "gzip").status_code == 400


def test_large_files_and_lines_of_json_reach_the_workflow(hook: Hook) -> None:
    content = b"\xff" * 1_200_000
    url = f"{hook.platform.url}/hooks/{hook.path}"
    form = requests.post(url, files={"f": ("a.bin", content)}, timeout=240).json()
    assert base64.b64decode(hook.item(form["execution_id"])["body"]["f"]["base64"]) == content
    lines = hook.call(b'{"a":1}\n{"a":2}\n', {"Content-Type": "application/x-ndjson"}).json()
    assert hook.item(lines["execution_id"])["body"] == [{"a": 1}, {"a": 2}]


def preflight(hook: Hook, origin: str, **more: str) -> requests.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"} | more
    return hook.call(b"", headers, method="OPTIONS")


def test_pages_of_allowed_origins_may_call(platform: Platform, hook: Hook) -> None:
    asked = preflight(hook, PAGE, **{"Access-Control-Request-Headers": "content-type, x-key"})
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert asked.headers["Access-Control-Allow-Methods"] == "POST"
    assert asked.headers["Access-Control-Allow-Headers"] == "content-type, x-key"
    assert "Access-Control-Allow-Credentials" not in asked.headers
    assert hook.log() == [] or all(row["method"] != "OPTIONS" for row in hook.log())
    for answer in (hook.call(b"{}", {"Origin": PAGE}), hook.call(b"{", {"Origin": PAGE})):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in hook.call(b"{}").headers
    assert hook.call(b"", method="OPTIONS").status_code == 405

    chosen = Hook(platform, allowed_origins=[PAGE.upper()])
    assert preflight(chosen, PAGE).headers["Access-Control-Allow-Origin"] == PAGE
    assert preflight(chosen, "https://evil.example").status_code == 403
    called = chosen.call(b"{}", {"Origin": "https://evil.example"})
    assert ("Access-Control-Allow-Origin" in called.headers, called.headers["Vary"]) == (False, "Origin")
    inside = Hook(platform, allow_from=["127.0.0.0/8"])
    assert preflight(inside, PAGE).status_code == 403


def test_parts_of_a_path_are_parameters(platform: Platform) -> None:
    hook = Hook(platform)
    definition = hook.definition()
    trigger = definition["nodes"][0]

    def put(path: str, **more: Any) -> Any:
        trigger["parameters"] |= {"path": path} | more
        saved = platform.request("PUT", f"/api/workflows/{hook.workflow}/", json=definition | {"active": True})
        assert saved.status_code == 200, saved.text

    def post(path: str) -> requests.Response:
        return requests.post(f"{platform.url}/hooks/{path}", json={}, timeout=240)

    base = hook.path
    put(f"{base}/:id/orders/:order", requests_per_second=0.01)
    item = hook.item(post(f"{base}/7/orders/a%20ü").json()["execution_id"])
    assert (item["path"], item["params"]) == (f"{base}/7/orders/a ü", {"id": "7", "order": "a ü"})
    assert post(f"{base}/8/orders/b").status_code == 429  # one limit for all values
    assert post(f"{base}/7/other/a").status_code == 404
    (listed,) = platform.request("GET", f"/api/workflows/{hook.workflow}/hooks/").json()
    assert listed["url"].endswith(f"/hooks/{base}/:id/orders/:order")
    put(f"{base}/:user", requests_per_second=100)
    assert hook.item(post(f"{base}/7").json()["execution_id"])["params"] == {"user": "7"}
    item = hook.item(post(f"{base}/a%2F%2525b").json()["execution_id"])
    assert (item["path"], item["params"]) == (f"{base}/a/%25b", {"user": "a/%25b"})
    other = Hook(platform)
    other.path = f"{base}/:name"
    taken = platform.request("PUT", f"/api/workflows/{other.workflow}/", json=other.definition() | {"active": True})
    assert (taken.status_code, f"'{base}/:name' is already in use" in taken.text) == (400, True)
    other.path = f"{base}/me"
    platform.request("PUT", f"/api/workflows/{other.workflow}/", json=other.definition() | {"active": True})
    assert "params" not in other.item(post(f"{base}/me").json()["execution_id"])
    platform.request("POST", f"/api/workflows/{other.workflow}/deactivate/")
    assert post(f"{base}/me").status_code == 404  # a deactivation leads callers nowhere else
    for value in ("9", "9%2F8"):
        tested = requests.post(f"{platform.url}/hooks/test/{hook.workflow}/{base}/{value}", json={}, timeout=240)
        assert tested.json()["test"] is True
