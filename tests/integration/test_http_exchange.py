"""http_request in a worker: forms, redirects and retries at the time that the other side asks for."""

from __future__ import annotations

from typing import Any

from tests.conftest import Platform
from tests.executing import events, execute, output, save, until
from tests.telling import telling
from tests.workflows import edge, node


def test_requests_are_sent_redirected_and_repeated_as_the_web_expects(platform: Platform) -> None:
    with telling() as web:
        web.tell("/busy", b"", "Retry-After: 1", status=429)
        web.tell("/busy", b"", "Location: /new", status=303)
        web.tell("/new", "Região".encode("latin-1"), "Content-Type: text/plain; charset=ISO-8859-1", "Set-Cookie: a=1")
        parameters: dict[str, Any] = {
            "method": "POST",
            "url": f"{web.url}/busy",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            "body": {"a": "{{ $json.n }}", "b": "x y"},
        }
        call = node("call", "http_request", **parameters)
        call["retry"] = {"attempts": 2, "delay_ms": 10}
        workflow = save(platform, [node("start", "manual_trigger"), call], [edge("start", "call")])
        execution = execute(platform, workflow, {"n": 1})
        assert until(platform, execution)["status"] == "completed"
    (retrying,) = events(platform, execution, "node_retrying")
    assert retrying["delay_ms"] >= 1000
    assert [(method, target, body) for method, target, _, body in web.asked] == [
        ("POST", "/busy", b"a=1&b=x+y"),
        ("POST", "/busy", b"a=1&b=x+y"),
        ("GET", "/new", b""),
    ]
    (item,) = output(platform, execution, "call")["main"]
    assert (item["status"], item["body"], item["headers"]["set-cookie"]) == (200, "Região", ["a=1"])
