"""Bodies that are too large, too slow or too many: refused before they are read, or cut while they are."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.conf import settings
from twisted.internet.testing import StringTransport

from executions.triggers.hooks.spooled_bodies import FORM_OVERHEAD
from tests.conftest import Platform
from tests.hooking import Hook
from tests.nginx import nginx, nginx_or_skip
from tests.security.raw_http import Connection, chunk, head, send_without_end, web_process
from tests.sites import Web
from workflow_platform.core.requests.request_bodies import SMALL_BODY_BYTES
from workflow_platform.installation.embedded import wait_until
from workflow_platform.serving.http_channel import WINDOW, RequestInput, StreamedRequest, StreamingChannel

LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
FILE_LIMIT = settings.BINARY_MAX_BYTES + FORM_OVERHEAD
"""Of bodies under /hooks/ that can be files."""
TEN_GB = 10_000_000_000
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def strict(platform: Platform) -> Iterator[Web]:
    """A web process that does not wait long and has little room."""
    with web_process(platform, REQUEST_PROGRESS_SECONDS="1", REQUEST_BODIES_MAX_BYTES=str(4 * 300_000)) as web:
        yield web


@pytest.mark.parametrize("path", ["/api/workflows/", "/api/auth/token/", "/login/", "/hooks/x", "/healthz"])
def test_ten_gigabytes_are_refused_by_their_declared_length(platform: Platform, path: str) -> None:
    with Connection(platform.url) as connection:
        connection.send(head("POST", path, f"Content-Length: {TEN_GB}"))
        answer = connection.answer()
        assert answer.status == 413
        limit = FILE_LIMIT if path.startswith("/hooks/") else LIMIT
        assert f"The body has {TEN_GB} bytes; at most {limit} are allowed." in answer.body.decode()
        assert answer.headers["connection"] == "close"
        if path.startswith(("/api/", "/hooks/")):
            assert answer.headers["content-type"] == "application/problem+json"
        assert connection.rest() == b""


@pytest.mark.parametrize("path", ["/api/workflows/", "/hooks/{hook}", "/login/"])
def test_a_chunked_body_without_end_is_cut(platform: Platform, path: str) -> None:
    hook = Hook(platform)
    token = f"Authorization: Bearer {platform.token}"
    with Connection(platform.url) as connection:
        connection.send(head("POST", path.format(hook=hook.path), CHUNKED, JSON, token))
        send_without_end(connection, 10 * LIMIT)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert f"at most {LIMIT} bytes are allowed" in answer.body.decode()
        assert connection.rest() == b""


def test_a_refused_hook_request_is_in_the_log(platform: Platform) -> None:
    hook = Hook(platform)
    with Connection(platform.url) as connection:
        connection.send(head("POST", f"/hooks/{hook.path}", f"Content-Length: {TEN_GB}"))
        assert connection.answer().status == 413
    (row,) = hook.log()
    assert (row["status_code"], row["accepted"], row["body_bytes"], row["body"]) == (413, False, 2**31 - 1, "")
    assert str(row["workflow_id"]) == hook.workflow


def test_a_trigger_refuses_by_its_own_limit_before_the_body_comes(platform: Platform) -> None:
    hook = Hook(platform, max_body_bytes=100_000)
    with Connection(platform.url) as connection:
        connection.send(head("POST", f"/hooks/{hook.path}", "Content-Length: 100001"))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert answer.json()["detail"] == "The body has 100001 bytes; the limit is 100000 bytes."
    (row,) = hook.log()
    assert (row["status_code"], row["body_bytes"]) == (413, 100_001)
    assert hook.call(b'"' + b"x" * 99_998 + b'"').status_code == 202


def test_large_bodies_that_no_trigger_wants_are_not_read(platform: Platform) -> None:
    hook = Hook(platform, methods=["POST"])
    for method, path, status in [
        ("POST", "/hooks/nobody-listens-here", 404),
        ("PUT", f"/hooks/{hook.path}", 405),
        ("POST", "/hooks/resume/00000000-0000-0000-0000-000000000000/guessed", 404),
    ]:
        with Connection(platform.url) as connection:
            connection.send(head(method, path, "Content-Length: 5000000"))
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (status, "close")
    (row,) = hook.log()
    assert (row["status_code"], row["method"], row["body_bytes"]) == (405, "PUT", 5_000_000)


@pytest.mark.parametrize("framing", [f"Content-Length: {SMALL_BODY_BYTES + 1}", CHUNKED])
@pytest.mark.parametrize(
    ("path", "credentials", "status"),
    [
        ("/api/workflows/", "X: y", 401),
        ("/api/workflows/", "Authorization: Bearer wfp_guessed", 401),
        ("/api/workflows/", "Cookie: sessionid=guessed", 401),
        ("/api/auth/token/", "X: y", 401),
        ("/login/", "Content-Type: multipart/form-data; boundary=x", 413),
    ],
)
def test_a_large_body_is_read_only_from_a_caller_who_has_logged_in(
    platform: Platform, framing: str, path: str, credentials: str, status: int
) -> None:
    with Connection(platform.url) as connection:
        connection.send(head("POST", path, framing, credentials))
        if framing == CHUNKED:
            send_without_end(connection, LIMIT)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert f"more than {SMALL_BODY_BYTES} bytes" in answer.body.decode()
        assert connection.rest() == b""


def test_a_large_body_of_a_caller_who_has_logged_in_is_read(platform: Platform) -> None:
    with Connection(platform.url) as connection:
        connection.send(head("POST", "/api/workflows/", CHUNKED, JSON, f"Authorization: Bearer {platform.token}"))
        connection.send(chunk(b'{"name": "'), *[chunk(b"x" * 10_000)] * 20, chunk(b'"}'), chunk(b""))
        answer = connection.answer()
        assert answer.status == 400
        assert answer.json()["errors"][0]["field"] == "name"
        connection.send(head("GET", "/healthz"))
        assert connection.answer().json() == {"status": "ok"}


def test_a_body_in_many_pieces_arrives_whole(platform: Platform) -> None:
    hook = Hook(platform)
    body = b'{"n": "' + b"0123456789" * 30_000 + b'"}'
    with Connection(platform.url) as connection:
        connection.send(head("POST", f"/hooks/{hook.path}", CHUNKED, JSON))
        for start in range(0, len(body), 997):
            connection.send(chunk(body[start : start + 997]))
        connection.send(chunk(b""))
        answer = connection.answer()
    assert answer.status == 202
    assert hook.item(answer.json()["execution_id"])["body"] == {"n": "0123456789" * 30_000}


def test_a_sender_who_does_not_wait_for_the_answer_starts_its_workflow(platform: Platform) -> None:
    hook = Hook(platform)
    with Connection(platform.url) as connection:
        connection.send(head("POST", f"/hooks/{hook.path}", "Content-Length: 2", JSON), b"{}")
    wait_until(lambda: len(hook.log()) == 1, "The row of the request")
    assert hook.log()[0]["accepted"]


def test_the_body_is_asked_for_only_when_it_is_wanted(platform: Platform) -> None:
    hook = Hook(platform)
    expect = "Expect: 100-continue"
    with Connection(platform.url) as connection:
        connection.send(head("POST", f"/hooks/{hook.path}", f"Content-Length: {TEN_GB}", expect))
        assert connection.answer().status == 413
        assert connection.rest() == b""
    with Connection(platform.url) as connection:
        connection.send(head("POST", "/api/workflows/", "Content-Length: 1000000", expect))
        assert connection.answer().status == 401
    with Connection(platform.url) as connection:
        connection.send(head("POST", f"/hooks/{hook.path}", "Content-Length: 2", JSON, expect))
        assert connection.answer().status == 100
        connection.send(b"{}")
        assert connection.answer().status == 202


def test_a_slow_body_is_given_up(platform: Platform, strict: Web) -> None:
    hook = Hook(platform)
    for path in (f"/hooks/{hook.path}", "/api/auth/token/"):
        with Connection(strict.url) as connection:
            connection.send(head("POST", path, "Content-Length: 1000"), b"{")
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (408, "close")
            assert "too slowly" in answer.json()["detail"]
            assert connection.rest() == b""
    (row,) = hook.log()
    assert (row["status_code"], row["accepted"]) == (408, False)


def test_a_byte_now_and_then_does_not_hold_a_body_open(platform: Platform, strict: Web) -> None:
    with Connection(strict.url) as connection:
        connection.send(head("POST", f"/hooks/{Hook(platform).path}", "Content-Length: 1000"))
        for _ in range(600):
            connection.send(b"x")
            connection.socket.settimeout(0.1)
            try:
                connection._more()
                break
            except TimeoutError:
                continue
        connection.socket.settimeout(60)
        assert connection.answer().status == 408


def test_a_slow_head_is_given_up(strict: Web) -> None:
    with Connection(strict.url) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(600):
            connection.send(b"X: y\r\n")
            connection.socket.settimeout(0.1)
            try:
                connection._more()
                break
            except TimeoutError:
                continue
        assert connection.answer().status == 408


def test_unfinished_bodies_take_up_no_more_than_their_room(platform: Platform, strict: Web) -> None:
    hook = Hook(platform)
    post = head("POST", f"/hooks/{hook.path}", "Content-Length: 3000000", JSON)
    with Connection(strict.url) as first:
        first.send(post)
        first.send(b"x" * 500_000)  # a quarter of the room is 300,000
        answer = first.answer()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
    with Connection(strict.url) as small:
        small.send(head("POST", f"/hooks/{hook.path}", "Content-Length: 2", JSON), b"{}")
        assert small.answer().status == 202
    body = b'"' + b"x" * 300_000 + b'"'
    for _ in range(8):  # each gives back what it took
        with Connection(strict.url) as one:
            one.send(head("POST", f"/hooks/{hook.path}", f"Content-Length: {len(body)}", JSON), body)
            assert one.answer().status == 202


def test_a_body_that_the_application_does_not_read_is_left_in_the_network() -> None:
    held: list[RequestInput] = []

    def create_application(request: StreamedRequest, scope: object) -> RequestInput:
        held.append(RequestInput(request))
        return held[-1]

    server = SimpleNamespace(
        protocol_connected=lambda request: None, protocol_disconnected=lambda request: None, root_path="",
        create_application=create_application, proxy_forwarded_address_header=None, request_buffer_size=8192,
    )  # fmt: skip
    channel, transport = StreamingChannel(), StringTransport()
    channel.factory, channel.requestFactory, channel.timeOut = SimpleNamespace(server=server), StreamedRequest, None
    channel.makeConnection(transport)
    channel.dataReceived(head("POST", "/hooks/x", "Content-Length: 100000000"))
    for _ in range(WINDOW // 8192):
        assert transport.producerState == "producing"
        channel.dataReceived(b"x" * 8192)
    assert transport.producerState == "paused"
    channel.resumeProducing()  # the client has read what was sent to it, which changes nothing
    assert transport.producerState == "paused"
    held[0]._take()
    assert transport.producerState == "producing"


def test_behind_nginx_bodies_are_refused_just_as_early(platform: Platform) -> None:
    nginx_or_skip()
    hook = Hook(platform)
    port = int(platform.url.rsplit(":", 1)[1])
    front, url = nginx(platform.folder / f"nginx-bodies-{hook.path}", [port])
    front.start()
    try:
        for framing in (f"Content-Length: {TEN_GB}", CHUNKED):
            with Connection(url) as connection:
                connection.send(head("POST", f"/hooks/{hook.path}", framing, JSON))
                if framing == CHUNKED:
                    send_without_end(connection, 10 * LIMIT)
                answer = connection.answer()
                assert answer.status == 413
                assert answer.json()["status"] == 413
        with Connection(url) as connection:
            connection.send(head("POST", "/api/workflows/", "Content-Length: 1000000"), b"x" * 100_000)
            assert connection.answer().status == 401
        with Connection(url) as connection:
            connection.send(head("POST", f"/hooks/{hook.path}", "Content-Length: 2", JSON), b"{}")
            assert connection.answer().status == 202
    finally:
        front.clear_away()
    assert [row["status_code"] for row in hook.log()] == [413, 413, 202]
