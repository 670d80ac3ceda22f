"""Which headers a workflow may give its answer to a webhook: refused when it is saved, and when it runs."""

from __future__ import annotations

from typing import Any

import pytest

from executions.domain.errors import NodeError
from executions.nodes.registry import node_types
from tests.unit.nodes.running import run

REFUSED = [
    # What ends a message on the connection.
    "Content-Length", "Transfer-Encoding", "Content-Encoding", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade",
    "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Anything", "HTTP2-Settings",
    # What browsers keep for the whole address.
    "Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Strict-Transport-Security", "Public-Key-Pins", "Expect-CT",
    "Service-Worker-Allowed", "Alt-Svc", "NEL", "Report-To", "Reporting-Endpoints", "Origin-Agent-Cluster", "Accept-CH",
    "Critical-CH", "Set-Login", "Use-As-Dictionary", "Sec-Session-Registration", "Secure-Session-Registration",
    # What lifts the sandbox, or gives a page rights.
    "Content-Security-Policy", "Content-Security-Policy-Report-Only", "X-Content-Security-Policy", "X-WebKit-CSP",
    "X-Content-Type-Options", "Cross-Origin-Resource-Policy", "Cross-Origin-Opener-Policy",
    "Cross-Origin-Embedder-Policy-Report-Only", "Permissions-Policy", "Feature-Policy", "Document-Policy",
    "Origin-Trial", "Speculation-Rules", "Refresh", "SourceMap", "X-SourceMap", "Access-Control-Allow-Credentials",
    # What nginx and others act on.
    "X-Accel-Redirect", "X-Accel-Buffering", "X-Sendfile", "X-LIGHTTPD-send-file", "X-Reproxy-URL",
    # No names at all.
    "", "X:Y", "X Y", "X-Ä", "X\r\nSet-Cookie", "X\n", "X\x00", " Set-Cookie", "Set-Cookie ", "Set-Cookie\t", "(x)",
    ":status", "X" * 101,
]  # fmt: skip
ALLOWED = {
    "Location": "https://example.com/next?a=%20b",
    "Content-Type": 'text/csv; charset="utf-8"',
    "Content-Disposition": 'attachment; filename="a.csv"',
    "Cache-Control": "no-store",
    "ETag": '"abc"',
    "Retry-After": "5",
    "Link": '</hooks/list?page=2>; rel="next"',
    "WWW-Authenticate": "Bearer",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Content-Type",
    "X-Frame-Options": "DENY",
    "X-Request-Id": "a\tb é",
    "Vary": "Origin",
}
BAD_VALUES = [
    ("X-A", "a\r\nSet-Cookie: sessionid=x"), ("X-A", "a\nb"), ("X-A", "a\rb"), ("X-A", "a\x00b"), ("X-A", "\x7f"),
    ("X-A", "\x0b"), ("X-A", "€"), ("Location", "/a\r\n\r\n<script>"), ("X-A", "x" * 4001),
    ("Content-Type", "text"), ("Content-Type", "*/*"), ("Content-Type", "text/html, text/plain"), ("Content-Type", ""),
    ("Content-Type", "multipart/x-mixed-replace; boundary=x"), ("Content-Type", " Multipart/Form-Data; boundary=x"),
]  # fmt: skip


def saved(headers: Any) -> list[tuple[str, str, str]]:
    return node_types()["respond_to_webhook"].check_parameters({"headers": headers})


def answered(headers: Any) -> dict[str, str]:
    response = run("respond_to_webhook", {"headers": headers}, headers="{{ $json.headers }}").response
    assert response is not None
    found: dict[str, str] = response["headers"]
    return found


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("change", [str, str.lower, str.upper], ids=["as is", "lower", "upper"])
def test_a_header_that_reaches_beyond_the_answer_is_refused_when_saved_and_when_run(name: str, change: Any) -> None:
    name = change(name)
    ((field, code, said),) = saved({"X-Fine": "1", name: "anything"})
    assert (field, code) == (f"parameters.headers.{name}", "header")
    assert said.endswith(".")
    assert saved({name: "{{ $json.value }}"}), "An expression as the value does not hide the name."
    with pytest.raises(NodeError, match=r"^parameters\.headers\."):
        answered({name: "anything"})


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_a_value_that_cannot_be_sent_is_refused_when_saved_and_when_run(name: str, value: str) -> None:
    assert [field for field, _, _ in saved({name: value, "X-Other": "{{ 1 }}"})] == [f"parameters.headers.{name}"]
    with pytest.raises(NodeError, match=name):
        answered({name: value})


def test_headers_that_describe_the_answer_are_allowed() -> None:
    assert saved(ALLOWED) == []
    assert answered(ALLOWED) == ALLOWED


def test_a_number_from_an_expression_becomes_text() -> None:
    headers = {"X-Count": "{{ $json.n }}", "X-Share": "{{ 1.5 }}", "X-Static": 7, "X-Sure": "{{ true }}"}
    assert saved(headers) == []
    response = run("respond_to_webhook", {"n": 3}, headers=headers).response
    assert response is not None
    assert response["headers"] == {"X-Count": "3", "X-Share": "1.5", "X-Static": "7", "X-Sure": "true"}
    assert answered({"X-A": ["a"]}) == {"X-A": '["a"]'}
