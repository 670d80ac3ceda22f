"""Requests whose end two servers could see at different places, and heads that are too large."""

from __future__ import annotations

import pytest

from tests.conftest import Platform
from tests.hooking import Hook
from tests.security.raw_http import CLIENTS_KEY as KEY
from tests.security.raw_http import Connection, chunk, head

SMUGGLED = head("GET", "/healthz")
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 5", CHUNKED], b"0\r\n\r\n"),
        ([CHUNKED, "Content-Length: 5"], b"0\r\n\r\n"),
        (["Content-Length: 5", "Content-Length: 5"], b"hello"),
        (["Content-Length: 5", "Content-Length: 0"], b""),
        (["Content-Length: 5, 5"], b"hello"),
        (["Content-Length: +5"], b"hello"),
        (["Content-Length: -1"], b""),
        (["Content-Length: 0x5"], b"hello"),
        (["Content-Length: 5_0"], b"hello"),
        (["Content-Length:"], b""),
        (["Content-Length: " + "1" * 20], b""),
        (["Content-Length: " + "9" * 5000], b""),
        (["Content-Length : 5"], b"hello"),
        ([" Content-Length: 5"], b"hello"),
        (["X: y", " folded: z"], b""),
        (["Transfer-Encoding:\r\n chunked"], b"0\r\n\r\n"),
        (["Transfer-Encoding: identity"], b""),
        (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
        (["Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n"),
        (["Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
        (["Transfer-Encoding: \x0bchunked"], b"0\r\n\r\n"),
        ([CHUNKED, CHUNKED], b"0\r\n\r\n"),
        ([CHUNKED], b"nonsense\r\n"),
        ([CHUNKED], b"-5\r\nhello\r\n0\r\n\r\n"),
        ([CHUNKED], b"0x5\r\nhello\r\n0\r\n\r\n"),
        ([CHUNKED], b"5\nhello\n0\n\n"),
        ([CHUNKED], b"5\r\nhello!\r\n0\r\n\r\n"),
        ([CHUNKED], b"5;" + b"x" * 2000 + b"\r\nhello\r\n0\r\n\r\n"),
        (["X: a\x00b"], b""),
        (["X: a\nTransfer-Encoding: chunked"], b""),
        (["no colon"], b""),
        (["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Content-Length: 5"], b"hello"),
        (["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", CHUNKED], b"0\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("path", ["/api/auth/token/", "/hooks/x"])
def test_ambiguous_framing_is_refused_and_nothing_after_it_is_answered(
    platform: Platform, path: str, headers: list[str], body: bytes
) -> None:
    with Connection(platform.url) as connection:
        connection.send(head("POST", path, *headers), body, SMUGGLED)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert connection.rest() == b""


def test_a_transfer_encoding_of_http_1_0_is_refused(platform: Platform) -> None:
    with Connection(platform.url) as connection:
        connection.send(b"POST /hooks/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", SMUGGLED)
        assert connection.answer().status == 400
        assert connection.rest() == b""


@pytest.mark.parametrize(
    ("bytes_", "status"),
    [
        (head("GET", "/" + "x" * 20_000), 414),
        (b"GET /" + b"x" * 20_000, 414),
        (head("GET", "/healthz", "X: " + "y" * 20_000), 431),
        (head("GET", "/healthz", *[f"X-{n}: {'y' * 100}" for n in range(300)]), 431),
        (head("GET", "/healthz", *[f"X{n}: y" for n in range(600)]), 431),
        (b"GET  /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_a_head_that_is_too_large_or_no_head_is_refused(platform: Platform, bytes_: bytes, status: int) -> None:
    with Connection(platform.url) as connection:
        connection.send(bytes_)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert connection.rest() == b""


@pytest.mark.parametrize(
    "bytes_",
    [
        head("GET", "/hooks/x", "X(Y): z"),
        b"GET /hooks/\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /hooks/x?\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_the_server_refuses_by_itself_is_sandboxed_text(platform: Platform, bytes_: bytes) -> None:
    with Connection(platform.url) as connection:
        connection.send(bytes_)
        answer = connection.answer()
        assert answer.status == 400
        assert b"<" not in answer.body
        if answer.body:  # Twisted's own refusals have none
            assert answer.headers["content-security-policy"] == "sandbox"
            assert answer.headers["content-type"].startswith("text/plain")


def test_after_a_refused_body_no_other_request_of_the_connection_is_answered(platform: Platform) -> None:
    with Connection(platform.url) as connection:
        # The body of the first is, word for word, another request.
        connection.send(head("POST", "/hooks/x", "Content-Length: 200000000"), SMUGGLED * 100)
        assert connection.answer().status == 413
        assert connection.rest() == b""


def test_garbage_in_the_middle_of_a_body_ends_the_connection(platform: Platform) -> None:
    hook = Hook(platform)
    with Connection(platform.url) as connection:
        connection.send(head("POST", f"/hooks/{hook.path}", CHUNKED), chunk(b"{"), b"zz\r\n", SMUGGLED)
        assert connection.answer().status == 400
        assert connection.rest() == b""
    assert hook.log() == []


def test_pipelined_requests_are_answered_in_order_also_after_a_refusal(platform: Platform) -> None:
    hook = Hook(platform)
    path = f"/hooks/{hook.path}"
    with Connection(platform.url) as connection:
        connection.send(
            head("POST", path, "Content-Length: 2", "Content-Type: application/json"), b"{}",
            head("POST", "/hooks/nobody-listens-here", CHUNKED), chunk(b"hello"), chunk(b""),
            head("GET", "/healthz"),
            head("POST", path, "Content-Length: 5", "Content-Type: application/json"), b"wrong",
            head("POST", "/api/auth/token/", CHUNKED, "Content-Type: application/json"), chunk(b"["), chunk(b""),
            head("HEAD", "/healthz"),
            head("GET", "/healthz", "Connection: close"),
        )  # fmt: skip
        statuses = [connection.answer().status for _ in range(5)]
        assert statuses == [202, 404, 200, 400, 400]
        assert connection._until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")  # HEAD has no body
        assert connection.answer().json() == {"status": "ok"}
        assert connection.rest() == b""
