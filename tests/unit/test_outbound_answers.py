"""Answers that are longer, stranger or more than HTTP has them; surroundings that would lead a call elsewhere."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import Script, hostile, read_request
from tests.unit.test_outbound_hostile import OK, answers, drip
from workflow_platform.core import outbound
from workflow_platform.core.outbound import OutboundFailed, OutboundRefused, connections


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    connections.idle_connections().clear()
    yield
    connections.idle_connections().clear()


# --- too much ---------------------------------------------------------------------------------------------------------


def header_lines_without_end(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: and more\r\n" * 100)


def a_header_without_end(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        connection.sendall(b"a" * 65_536)


def a_status_line_without_end(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    while True:
        connection.sendall(b"HTTP/1.1 200 O" + b"K" * 65_536)


def a_chunk_size_without_end(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"0" * 65_536)


def trailers_without_end(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
    while True:
        connection.sendall(b"X-More: and more\r\n" * 100)


def interim_answers_without_end(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 20)


ENDLESS = [
    header_lines_without_end, a_header_without_end, a_status_line_without_end, a_chunk_size_without_end,
    interim_answers_without_end,
]  # fmt: skip


@pytest.mark.parametrize("script", ENDLESS, ids=lambda script: script.__name__)
def test_what_has_no_end_is_not_read_to_it(script: Script) -> None:
    with hostile(script) as server, pytest.raises(OutboundFailed, match=r"not HTTP|ends early"):
        outbound.send("GET", server.url, timeout_seconds=20)


def test_trailers_without_end_end_with_the_deadline() -> None:
    with hostile(trailers_without_end) as server, pytest.raises(OutboundFailed):
        outbound.send("GET", server.url, timeout_seconds=0.5)


def test_a_length_beyond_all_bounds_is_not_waited_for() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"
    with hostile(answers(head, b"a" * 200_000)) as server, pytest.raises(OutboundFailed, match="larger than 100000"):
        outbound.send("GET", server.url, max_body_bytes=100_000)


@pytest.mark.parametrize("layers", [b"gzip", b"deflate", b"x-gzip"])
def test_a_bomb_within_the_cap_on_the_wire_is_cut_by_what_it_unpacks_to(layers: bytes) -> None:
    packed = zlib.compress(bytes(20_000_000), 9) if layers == b"deflate" else gzip.compress(bytes(20_000_000), 9)
    many = packed * 3  # members one after another, too
    with (
        hostile(answers(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + layers + b"\r\n\r\n", many)) as server,
        pytest.raises(OutboundFailed, match="larger than"),
    ):
        outbound.send("GET", server.url, max_body_bytes=1_000_000)


# --- too slow ---------------------------------------------------------------------------------------------------------


def reads_nothing(connection: socket.socket, over: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    over.wait(60)


def sips(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.05):
        connection.recv(1)


def drips_a_handshake(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB follows, byte by byte
    drip(connection, over, b"\x02")


def drips_a_status_line(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    drip(connection, over, b"H")


SLOW: list[tuple[str, Script]] = [
    ("http", reads_nothing), ("http", sips), ("https", drips_a_handshake), ("http", drips_a_status_line),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "script"), SLOW, ids=lambda given: getattr(given, "__name__", given))
def test_no_phase_of_a_call_outlasts_the_deadline(scheme: str, script: Script) -> None:
    with hostile(script) as server, pytest.raises(OutboundFailed, match="no response within 0"):
        outbound.send("POST", f"{scheme}://127.0.0.2:{server.port}/", body=bytes(20_000_000), timeout_seconds=0.5)


# --- one answer for two -----------------------------------------------------------------------------------------------

SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse"
REFUSED = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 30\r\n\r\nok",
    "a list of lengths": b"Content-Length: 2, 30\r\n\r\nok",
    "a length with a sign": b"Content-Length: +2\r\n\r\nok",
    "a length below nothing": b"Content-Length: -2\r\n\r\nok",
    "a length with a line": b"Content-Length: 2_0\r\n\r\nok",
    "a length in hexadecimal": b"Content-Length: 0x2\r\n\r\nok",
    "chunks in other words": b"Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\nok",
    "chunks twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks after something else": b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks of no length": b"Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
}
CLOSED = {
    "length and chunks": b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two equal lengths": b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
}


def with_a_second(head: bytes) -> Script:
    def script(connection: socket.socket, over: threading.Event) -> None:
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + SECOND)

    return script


@pytest.mark.parametrize("name", REFUSED)
def test_an_answer_that_might_end_in_two_places_is_none(name: str) -> None:
    with hostile(with_a_second(REFUSED[name])) as server:
        for call in range(2):
            with pytest.raises(OutboundFailed, match=r"not HTTP|ends early"):
                outbound.send("GET", server.url, timeout_seconds=5)
            assert server.accepted == call + 1


@pytest.mark.parametrize("name", CLOSED)
def test_a_connection_with_a_doubtful_answer_is_not_used_again(name: str) -> None:
    with hostile(with_a_second(CLOSED[name])) as server:
        for call in range(2):
            assert outbound.send("GET", server.url, timeout_seconds=5).body == b"ok"
            assert server.accepted == call + 1


def test_what_comes_before_the_final_answer_is_skipped() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    with hostile(answers(early + OK)) as server:
        answer = outbound.send("POST", server.url, body=b"x")
    assert (answer.status, answer.body) == (200, b"ok")


def test_a_protocol_that_nobody_asked_for_is_not_switched_to() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    with hostile(answers(switch + OK)) as server, pytest.raises(OutboundFailed, match="not HTTP"):
        outbound.send("GET", server.url)


@pytest.mark.parametrize("body", [b'"\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n', b"0\r\n\r\n"])
def test_a_body_stays_one(body: bytes) -> None:
    asked: list[bytes] = []

    def script(connection: socket.socket, over: threading.Event) -> None:
        asked.append(read_request(connection))
        connection.sendall(OK)

    with hostile(script) as server:
        outbound.send("POST", server.url, headers={"Content-Length": "0", "TE": "trailers"}, body=body)
    assert asked[0].endswith(b"\r\n\r\n" + body)
    assert asked[0].lower().count(b"content-length") == 1


@pytest.mark.parametrize("method", ["GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", "G T", "GET\x00", ""])
def test_a_method_that_is_more_than_one_is_refused(method: str) -> None:
    with hostile(answers(OK)) as server, pytest.raises((OutboundRefused, OutboundFailed)):
        outbound.send(method, server.url, timeout_seconds=2)


def test_another_host_than_the_urls_cannot_be_named() -> None:
    with pytest.raises(OutboundRefused, match="Host"):
        outbound.send("GET", "http://127.0.0.2/", headers={"hOST": "inside.example"})


# --- where a call would be led ----------------------------------------------------------------------------------------


def test_proxies_and_passwords_of_the_surroundings_are_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[bytes] = []

    def script(connection: socket.socket, over: threading.Event) -> None:
        asked.append(read_request(connection))
        connection.sendall(OK)

    (tmp_path / ".netrc").write_text("machine 127.0.0.2 login me password a-secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    monkeypatch.delenv("no_proxy", raising=False)
    with hostile(script) as server:
        assert outbound.send("GET", server.url + "x").body == b"ok"
    assert asked[0].startswith(b"GET /x HTTP/1.1\r\n")
    assert b"authorization" not in asked[0].lower()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("where", ["http://10.0.0.1/", "//127.0.0.1/", "/\\127.0.0.1", "file:///etc/passwd", "\x01"])
def test_nobody_is_followed_and_a_body_of_a_redirect_is_no_exception(status: int, where: str) -> None:
    head = f"HTTP/1.1 {status} Moved\r\nLocation: {where}\r\nContent-Length: 1000000\r\n\r\n".encode()
    with hostile(answers(head, b"a" * 200_000)) as server:
        with pytest.raises(OutboundFailed, match="larger than 1000 bytes"):
            outbound.send("GET", server.url, max_body_bytes=1_000)
        assert server.accepted == 1
