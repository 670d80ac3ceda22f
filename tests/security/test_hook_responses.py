"""Answers under /hooks/ as bytes on a connection: sandboxed whatever they are, and each ends where it says."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
import requests

from executions.triggers.hooks import views
from tests.conftest import Platform
from tests.hooking import Hook
from tests.workflows import edge, node

SCRIPT = "<script>fetch('/api/tokens/')</script>"
SANDBOX = {
    "content-security-policy": "sandbox",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}
MARKUP = [
    "text/html", "TEXT/HTML; charset=utf-7", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/xml",
    "application/rss+xml", "text/xsl", "application/mathml+xml", "application/pdf", "text/javascript", "text/css",
    "message/rfc822", "application/x-unknown", "unknown/unknown",
]  # fmt: skip


@pytest.fixture(scope="module")
def echo(platform: Platform) -> str:
    """Return the path of a webhook that answers with what the query says: status, headers as JSON, body."""
    path = f"echo-{uuid4().hex[:8]}"
    answer = {
        "status": "{{ Number($json.query.status || 200) }}",
        "headers": "{{ JSON.parse($json.query.headers || '{}') }}",
        "body": "{{ $json.query.body ?? null }}",
    }
    methods = ["GET", "POST", "HEAD", "OPTIONS"]
    definition = {
        "name": "Echo",
        "nodes": [
            node("hook", "webhook_trigger", path=path, methods=methods, respond="respond_node"),
            node("answer", "respond_to_webhook", **answer),
        ],
        "edges": [edge("hook", "answer")],
        "active": True,
    }
    made = platform.request("POST", "/api/workflows/", json=definition)
    assert made.status_code == 201, made.text
    return path


def query(status: int = 200, body: str | None = None, **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"status": str(status), "headers": json.dumps(named)} | ({} if body is None else {"body": body})
    return urlencode(given)


class Connection:
    """One connection that stays open, read byte by byte."""

    def __init__(self, platform: Platform) -> None:
        host, _, port = platform.url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), 60)
        self.file: BinaryIO = self.socket.makefile("rb")

    def send(self, *requests: tuple[str, str]) -> None:
        """Send requests (method, path) one after the other, without waiting for answers."""
        lines = [f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for method, path in requests]
        self.socket.sendall("".join(lines).encode())

    def read(self, method: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (lower case) and body of the next answer; it must end as RFC 9112 says."""
        status = self.file.readline()
        assert status.startswith(b"HTTP/1.1 "), status
        code, headers = int(status.split()[1]), {}
        while (line := self.file.readline()) != b"\r\n":
            name, _, value = line.decode("latin-1").rstrip("\r\n").partition(": ")
            assert name.lower() not in headers, f"{name} comes twice."
            headers[name.lower()] = value
        return code, headers, b"" if method == "HEAD" or code in {204, 304} else b"".join(self._body(headers))

    def _body(self, headers: dict[str, str]) -> Iterator[bytes]:
        assert ("content-length" in headers) != ("transfer-encoding" in headers)
        if "content-length" in headers:
            yield self.file.read(int(headers["content-length"]))
            return
        while size := int(self.file.readline(), 16):
            yield self.file.read(size)
            assert self.file.readline() == b"\r\n"
        assert self.file.readline() == b"\r\n"

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def connection(platform: Platform) -> Iterator[Connection]:
    made = Connection(platform)
    yield made
    made.close()


def test_pipelined_answers_end_where_they_say_whatever_status_and_headers_a_workflow_gives(
    connection: Connection, echo: str
) -> None:
    body = "é" * 50
    asked = [
        ("GET", f"/hooks/{echo}?{query(200, body)}"),
        ("HEAD", f"/hooks/{echo}?{query(200, body)}"),
        ("GET", f"/hooks/{echo}?{query(204, body)}"),
        ("GET", f"/hooks/{echo}?{query(205, body)}"),
        ("GET", f"/hooks/{echo}?{query(304, body)}"),
        ("HEAD", f"/hooks/{echo}?{query(204, body)}"),
        ("GET", f"/hooks/{echo}?{query(200, body, Content_Length='5')}"),
        ("GET", f"/hooks/{echo}?{query(200, body, Transfer_Encoding='chunked')}"),
        ("GET", f"/hooks/{echo}?{query(100, body)}"),
        ("GET", f"/hooks/{echo}?" + urlencode({"headers": '{"X:Y": "1"}'})),
        ("GET", f"/hooks/{echo}?" + urlencode({"headers": '{"X-A": "1\\r\\n\\r\\nHTTP/1.1 200 OK"}'})),
        ("OPTIONS", f"/hooks/{echo}?{query(299, body)}"),
        ("GET", f"/hooks/{echo}?{query(599, '')}"),
        ("PUT", f"/hooks/{echo}"),
        ("GET", "/hooks/nobody-listens-here"),
        ("GET", f"/hooks/{echo}?{query(200, 'the last one')}"),
    ]
    connection.send(*asked)
    read = [connection.read(method) for method, _ in asked]
    codes = [code for code, _, _ in read]
    assert codes == [200, 200, 204, 205, 304, 204, 500, 500, 500, 500, 500, 299, 599, 405, 404, 200]
    assert [content for _, _, content in read[:6]] == [body.encode(), b"", b"", b"", b"", b""]
    assert read[1][1]["content-length"] == str(len(body.encode()))
    assert all("content-length" not in headers for code, headers, _ in read if code in {204, 304})
    assert read[-1][2] == b"the last one"
    for _, headers, _ in read:
        assert {name: headers.get(name) for name in SANDBOX} == SANDBOX
    for _, headers, content in read[6:11]:
        assert headers["content-type"] == "application/problem+json"
        assert "ended with status failed" in json.loads(content)["detail"]


@pytest.mark.parametrize("type_", MARKUP)
def test_markup_of_every_type_is_sandboxed(platform: Platform, echo: str, type_: str) -> None:
    answer = requests.get(f"{platform.url}/hooks/{echo}?{query(200, SCRIPT, content_type=type_)}", timeout=240)
    assert (answer.status_code, answer.headers["Content-Type"], answer.text) == (200, type_, SCRIPT)
    assert {name: answer.headers.get(name) for name in SANDBOX} == SANDBOX


def test_an_answer_has_a_type_of_ours_unless_the_workflow_says_another(platform: Platform, echo: str) -> None:
    url = f"{platform.url}/hooks/{echo}"
    text = requests.get(f"{url}?{query(200, SCRIPT)}", timeout=240)
    assert (text.headers["Content-Type"], text.text) == ("text/plain; charset=utf-8", SCRIPT)
    value = requests.get(url, timeout=240)
    assert (value.headers["Content-Type"], value.text) == ("application/json", "null")
    moved = requests.get(f"{url}?{query(302, '', Location='https://example.com/')}", timeout=240, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (302, "https://example.com/")


def test_refusals_and_test_urls_are_sandboxed_too(platform: Platform, echo: str) -> None:
    hook = Hook(platform, max_body_bytes=10, auth=None)
    base, markup = f"{platform.url}/hooks/", quote("<svg onload=alert(1)>")
    found = [
        hook.call(),
        hook.call(b'"' + b"x" * 20 + b'"'),
        hook.call(b"{"),
        hook.call(test=True),
        hook.call(method="GET"),
        hook.call(b"x" * (10 * 1024 * 1024 + 1)),
        requests.get(base + markup, timeout=240),
        requests.get(f"{base}test/{markup}", timeout=240),
        requests.post(f"{base}resume/{uuid4()}/{'0' * 32}", timeout=240),
        requests.get(f"{base}resume/{uuid4()}/{markup}", timeout=240),
        requests.get(base, timeout=240),
        requests.request("TRACE", base + echo, timeout=240),
    ]
    codes = [answer.status_code for answer in found]
    assert codes == [202, 413, 400, 200, 405, 413, 404, 404, 404, 404, 404, 405]
    for answer in found:
        assert {name: answer.headers.get(name) for name in SANDBOX} == SANDBOX, answer.url
        assert answer.headers["Content-Type"] in {"application/json", "application/problem+json"}


def test_a_header_cannot_shift_the_path_out_of_the_sandbox(platform: Platform, echo: str) -> None:
    shifted = requests.get(f"{platform.url}/x/hooks/{echo}", headers={"Daphne-Root-Path": "/x"}, timeout=240)
    assert shifted.status_code == 404
    page = requests.get(f"{platform.url}/hooks/api/schema/", headers={"Daphne-Root-Path": "/hooks"}, timeout=240)
    assert page.status_code == 404, "Nothing but webhooks is reached past the middleware."


def test_a_workflow_that_was_saved_before_with_a_refused_header_still_loads_and_fails_clearly(
    platform: Platform,
) -> None:
    path = f"old-{uuid4().hex[:8]}"
    definition: dict[str, Any] = {
        "name": "Old",
        "nodes": [
            node("hook", "webhook_trigger", path=path, respond="respond_node"),
            node("answer", "respond_to_webhook", headers={"X-Early": "sessionid=1"}),
        ],
        "edges": [edge("hook", "answer")],
        "active": True,
    }
    made = platform.request("POST", "/api/workflows/", json=definition).json()
    refused = [definition["nodes"][0], node("answer", "respond_to_webhook", headers={"Set-Cookie": "sessionid=1"})]
    answer = platform.request("PATCH", f"/api/workflows/{made['id']}/", json={"nodes": refused})
    assert answer.status_code == 400
    assert [e["field"] for e in answer.json()["errors"]] == ["parameters.headers.Set-Cookie"]
    statement = "UPDATE executions_workflowversion SET nodes = %s::jsonb WHERE workflow_id = %s RETURNING id"
    assert len(platform.query(statement, json.dumps(refused), made["id"])) == 1
    assert platform.request("GET", f"/api/workflows/{made['id']}/").status_code == 200
    called = requests.post(f"{platform.url}/hooks/{path}", json={}, timeout=240)
    assert called.status_code == 500
    assert "Set-Cookie" not in called.headers
    execution = called.json()["detail"].split()[2]
    assert "'Set-Cookie' cannot be set" in str(platform.request("GET", f"/api/executions/{execution}/").json()["error"])


def test_an_answer_that_was_stored_with_refused_headers_goes_out_without_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = {"Set-Cookie": "a=b", "X:Y": "1", "Content-Length": "5", "X-A": "\r\n"}
    headers = refused | {"content-type": "text/html", "X-B": "2"}
    answer = views._response(uuid4(), {"status": 200, "headers": headers, "body": SCRIPT})
    sent = {name.lower(): value for name, value in answer.items()}
    assert sent == {"content-type": "text/html", "content-length": str(len(SCRIPT)), "x-b": "2"}
    assert [record.message.count("header left out of a webhook response") for record in caplog.records] == [1] * 4


def test_user_content_is_nowhere_else_served_as_a_page(platform: Platform) -> None:
    hook = Hook(platform, respond="on_completion")
    answer = hook.call(SCRIPT.encode(), {"Content-Type": "text/html"}).json()
    hook.call(SCRIPT.encode(), {"Content-Type": "text/html"}, test=True)
    execution, (request, *_) = answer["execution_id"], hook.log()
    paths = [
        f"/api/executions/{execution}/", f"/api/executions/{execution}/nodes/",
        f"/api/executions/{execution}/nodes/hook/output/", f"/api/executions/{execution}/events/",
        f"/api/executions/{execution}/stream/", f"/api/events/?execution={execution}",
        f"/api/events/?execution={execution}&format=ndjson", f"/api/events/export/?execution={execution}",
        f"/api/webhooks/inbound/{request['id']}/", f"/api/workflows/{hook.workflow}/",
    ]  # fmt: skip
    for path in paths:
        found = platform.request("GET", path, headers={"Accept": "text/html,*/*"})
        kind = found.headers["Content-Type"].split(";")[0]
        assert kind in {"application/json", "application/problem+json", "application/x-ndjson", "text/event-stream"}
        assert (path, found.headers["X-Content-Type-Options"]) == (path, "nosniff")
