"""Whatever the other side does, a call ends in time, takes no more than it may, and follows nobody."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import Hostile, Script, hostile, own_certificate, read_request
from workflow_platform.core import outbound
from workflow_platform.core.outbound import (
    OutboundCancelled,
    OutboundFailed,
    OutboundRefused,
    OutboundResponse,
    connections,
)
from workflow_platform.installation.embedded import wait_until

DRIP_SECONDS = 0.05


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    connections.idle_connections().clear()
    yield
    connections.idle_connections().clear()


def drip(connection: socket.socket, over: threading.Event, text: bytes) -> None:
    while not over.wait(DRIP_SECONDS):
        connection.sendall(text)


def says_nothing(connection: socket.socket, over: threading.Event) -> None:
    over.wait(60)


def drips_headers(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    drip(connection, over, b"a")


def goes_on_and_on_with_100(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    drip(connection, over, b"HTTP/1.1 100 Continue\r\n\r\n")


def drips_its_body(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    drip(connection, over, b"a")


def drips_chunks(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    drip(connection, over, b"1\r\na\r\n")


def drips_until_it_closes(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    drip(connection, over, b"a")


def drips_the_body_of_a_redirect(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 1000000\r\n\r\n")
    drip(connection, over, b"a")


SLOW = [
    says_nothing, drips_headers, goes_on_and_on_with_100, drips_its_body, drips_chunks, drips_until_it_closes,
    drips_the_body_of_a_redirect,
]  # fmt: skip


@pytest.mark.parametrize("script", SLOW, ids=lambda script: script.__name__)
def test_the_deadline_is_a_wall_clock(script: Script) -> None:
    with hostile(script) as server, pytest.raises(OutboundFailed, match="no response within 0"):
        outbound.send("GET", server.url, timeout_seconds=0.5)


def cancel(server_url: str, under_way: Any) -> None:
    """Cancel a call as soon as it is under way, and see it end."""
    cancelled, ended = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def call() -> None:
        try:
            outbound.send("POST", server_url, timeout_seconds=60, cancelled=cancelled)
        except OutboundFailed as error:
            raised.append(error)
        ended.set()

    threading.Thread(target=call, daemon=True).start()
    wait_until(under_way, "The call")
    cancelled.set()
    wait_until(ended.is_set, "Its end")
    assert [type(error) for error in raised] == [OutboundCancelled]


@pytest.mark.parametrize("script", SLOW, ids=lambda script: script.__name__)
def test_a_cancellation_ends_a_call_wherever_it_waits(script: Script) -> None:
    with hostile(script) as server:
        cancel(server.url, lambda: server.accepted)


def test_a_cancellation_ends_a_tls_handshake() -> None:
    with hostile(says_nothing) as server:
        cancel(server.url.replace("http:", "https:"), lambda: server.accepted)


def test_a_connection_that_does_not_come_about_is_cancelled() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.2", 0), backlog=0))
        for _ in range(8):  # fill the queue of those who wait to be accepted: nobody answers the next ones
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        url = f"http://127.0.0.2:{listener.getsockname()[1]}/"
        with pytest.raises(OutboundFailed):
            outbound.send("GET", url, timeout_seconds=0.5)
        started = threading.Event()
        cancel(url, lambda: started.wait(0.3) or True)


def answers(*parts: bytes) -> Script:
    def script(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        for part in parts:
            connection.sendall(part)

    return script


def sends_without_end(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"a" * 65536)


def test_a_body_without_end_is_cut_at_the_limit() -> None:
    with hostile(sends_without_end) as server, pytest.raises(OutboundFailed, match="larger than 100000 bytes"):
        outbound.send("GET", server.url, max_body_bytes=100_000)


def test_a_call_that_gives_up_closes_its_connection() -> None:
    closed = threading.Event()

    def sends(connection: socket.socket, over: threading.Event) -> None:
        try:
            sends_without_end(connection, over)
        except OSError:
            closed.set()

    with hostile(sends) as server, pytest.raises(OutboundFailed) as failed:
        outbound.send("GET", server.url, max_body_bytes=100_000)
    with hostile(sends) as server:
        cut = outbound.send("GET", server.url, max_body_bytes=100_000, cut_body=True)
        wait_until(closed.is_set, "The end of the connection")
    assert cut.truncated
    assert "larger than" in str(failed.value)


def bombs() -> dict[str, bytes]:
    return {"gzip": gzip.compress(bytes(50_000_000), 9), "deflate": zlib.compress(bytes(50_000_000), 9)}


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_a_bomb_does_not_go_off(name: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\n\r\n".encode()
    with hostile(answers(head, bombs()[name])) as server, pytest.raises(OutboundFailed, match="larger than"):
        outbound.send("GET", server.url, max_body_bytes=1_000_000)


def test_what_is_compressed_unasked_is_read_all_the_same() -> None:
    body = gzip.compress(b"one, ") + gzip.compress(b"two")
    with hostile(answers(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", body)) as server:
        assert outbound.send("GET", server.url).body == b"one, two"


@pytest.mark.parametrize(
    ("head", "body", "said"),
    [
        ("Content-Encoding: gzip", gzip.compress(b"a" * 1000, mtime=0)[:-20], "ends early"),
        ("Content-Encoding: gzip", b"not that", "is not gzip"),
        ("Content-Encoding: br", b"something", "not requested"),
        ("Content-Encoding: gzip, gzip", b"something", "is not gzip"),
        ("Content-Length: 100", b"short", "ends early"),
        ("Transfer-Encoding: chunked", b"zz\r\n", "ends early|not HTTP"),
    ],
)
def test_an_answer_that_is_not_whole_is_a_failure(head: str, body: bytes, said: str) -> None:
    script = answers(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode(), body)
    with hostile(script) as server, pytest.raises(OutboundFailed, match=said):
        outbound.send("GET", server.url)


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\r\n" * 50, b""])
def test_garbage_is_a_failure(garbage: bytes) -> None:
    with hostile(answers(garbage)) as server, pytest.raises(OutboundFailed):
        outbound.send("GET", server.url)


def test_a_redirect_to_a_private_address_is_an_answer_and_nothing_else() -> None:
    with hostile(says_nothing) as inside:
        head = f"HTTP/1.1 302 Found\r\nLocation: {inside.url}\r\nContent-Length: 0\r\n\r\n".encode()
        with hostile(answers(head)) as server:
            answer = outbound.send("GET", server.url, headers={"Authorization": "Bearer secret"})
        assert (answer.status, answer.headers["location"]) == (302, inside.url)
        assert inside.accepted == 0


def test_a_request_says_that_it_wants_no_compression_and_cannot_frame_itself(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[bytes] = []

    def script(connection: socket.socket, over: threading.Event) -> None:
        asked.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 204 No Content\r\nBad header\r\n\r\n")

    caplog.set_level(logging.DEBUG)
    with hostile(script) as server:
        given = {"Transfer-Encoding": "chunked", "content-length": "3", "Connection": "close", "X-Own": "1"}
        outbound.send("POST", server.url, params={"key": "a-secret"}, headers=given, body=b"0123456789")
    head = asked[0].lower()
    assert b"accept-encoding: identity" in head
    assert b"content-length: 10\r\n" in head
    assert b"transfer-encoding" not in head
    assert b"connection:" not in head
    assert b"x-own: 1" in head
    assert "a-secret" not in caplog.text


@pytest.mark.parametrize("headers", [{"X-A": "a-secret\r\nHost: b"}, {"X-A": "a-secret\u0100"}, {"X\r\nA": "b"}])
def test_a_header_that_would_be_two_is_refused_without_its_value(headers: dict[str, str]) -> None:
    with pytest.raises(OutboundRefused) as raised:
        outbound.send("GET", "http://127.0.0.2/", headers=headers)
    assert "a-secret" not in str(raised.value)


# --- connections that are kept ----------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def keeps(connection: socket.socket, over: threading.Event) -> None:
    while read_request(connection):
        connection.sendall(OK)


def test_a_connection_is_used_again() -> None:
    with hostile(keeps) as server:
        for _ in range(5):
            assert outbound.send("GET", server.url).body == b"ok"
        assert server.accepted == 1


def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    def once(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(OK)

    with hostile(once) as server:
        for _ in range(5):
            assert outbound.send("GET", server.url).body == b"ok"


def test_a_request_that_must_not_come_twice_takes_no_kept_connection() -> None:
    with hostile(keeps) as server:
        for headers, connections_in_all in (({}, 1), ({}, 2), ({"Idempotency-Key": "k"}, 2), ({}, 3)):
            outbound.send("POST", server.url, headers=headers, body=b"")
            assert server.accepted == connections_in_all


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    def talks_ahead(connection: socket.socket, over: threading.Event) -> None:
        while read_request(connection):
            connection.sendall(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse")

    with hostile(talks_ahead) as server:
        for _ in range(3):
            assert outbound.send("GET", server.url).body == b"ok"


def test_an_answer_of_two_lengths_is_none_and_its_connection_is_not_kept() -> None:
    def two_lengths(connection: socket.socket, over: threading.Event) -> None:
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nok")

    with hostile(two_lengths) as server:
        for _ in range(2):
            with pytest.raises(OutboundFailed, match="not HTTP"):
                outbound.send("GET", server.url)
        assert server.accepted == 2


def test_a_kept_connection_ends_with_its_deadline_too() -> None:
    def then_silent(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(OK)
        read_request(connection)
        over.wait(60)

    with hostile(then_silent) as server:
        outbound.send("GET", server.url)
        with pytest.raises(OutboundFailed, match="no response within 0"):
            outbound.send("GET", server.url, timeout_seconds=0.4)
        assert server.accepted == 1


def test_many_threads_share_the_kept_connections() -> None:
    with hostile(keeps) as server:
        found: list[OutboundResponse] = []

        def call() -> None:
            for _ in range(20):
                found.append(outbound.send("GET", server.url, timeout_seconds=20))

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {answer.body for answer in found} == {b"ok"}
        assert len(found) == 160
        assert server.accepted <= 8


# --- addresses and TLS ------------------------------------------------------------------------------------------------


def resolving(server: Hostile, *addresses: str) -> Any:
    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return resolve


def test_the_next_address_is_tried_when_one_does_not_answer(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    with hostile(keeps) as server:
        monkeypatch.setattr(socket, "getaddrinfo", resolving(server, "127.0.0.3", "127.0.0.2"))
        assert outbound.send("GET", f"http://two.example:{server.port}/").body == b"ok"
        monkeypatch.setattr(socket, "getaddrinfo", resolving(server, "127.0.0.3"))
        with pytest.raises(OutboundFailed, match="no connection"):  # nor is the kept one, to another address, taken
            outbound.send("GET", f"http://two.example:{server.port}/")


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = own_certificate(tmp_path)
    with hostile(keeps, context) as server:
        with pytest.raises(OutboundFailed, match="TLS"):
            outbound.send("GET", server.url)
        trusting = ssl.create_default_context(cafile=certificate)
        monkeypatch.setattr(connections, "tls_context", lambda: trusting)
        assert outbound.send("GET", server.url).body == b"ok"
        assert outbound.send("GET", server.url).body == b"ok"
        monkeypatch.setattr(socket, "getaddrinfo", resolving(server, "127.0.0.2"))
        with pytest.raises(OutboundFailed, match="TLS"):  # the name is checked, not only the signature
            outbound.send("GET", f"https://another.example:{server.port}/")


@pytest.mark.parametrize("script", [drips_its_body, drips_until_it_closes], ids=lambda script: script.__name__)
def test_under_tls_too_a_call_ends_in_time(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = own_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(connections, "tls_context", lambda: trusting)
    with hostile(script, context) as server:
        with pytest.raises(OutboundFailed, match="no response within 0"):
            outbound.send("GET", server.url, timeout_seconds=0.5)
        cancel(server.url, lambda: server.accepted == 2)
