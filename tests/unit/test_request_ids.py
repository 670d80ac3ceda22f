"""Request ids: accepted from callers if well-formed, else made; in the context and in the response."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from workflow_platform.core.logs import context_fields
from workflow_platform.core.requests.request_ids import RequestIds, request_id_of

LONGEST = "a" * 128


def is_made(request_id: str) -> bool:
    return UUID(request_id).version == 7


@pytest.mark.parametrize("given", ["1", "req-1.2_3", "Root=1-67891233-abcdef012345678912345678", "a/b:c+d=@~", LONGEST])
def test_a_well_formed_id_is_kept(given: str) -> None:
    assert request_id_of([(b"host", b"x"), (b"x-request-id", given.encode())]) == given


@pytest.mark.parametrize(
    "given",
    [b"", b" a", b"a b", b"a\tb", b"a\nb", b"\xc3\xa9", b"-a", b"{}", b"<script>", b'"a"', LONGEST.encode() + b"a"],
)
def test_a_malformed_id_is_replaced(given: bytes) -> None:
    assert is_made(request_id_of([(b"x-request-id", given)]))


def test_an_id_that_is_given_twice_is_replaced() -> None:
    assert is_made(request_id_of([(b"x-request-id", b"a"), (b"X-Request-ID", b"b")]))


def test_each_request_without_an_id_gets_one_of_its_own() -> None:
    assert is_made(request_id_of([]))
    assert request_id_of([]) != request_id_of([])


async def sent(kind: str, start: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> tuple[list[Any], str]:
    """Return the messages of an application, and the id in its log context."""
    messages, inside = [], []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        inside.append(context_fields().get("request_id"))
        await send(start)
        await send({"type": "other"})

    async def send(message: Any) -> None:
        messages.append(message)

    await RequestIds(application)({"type": kind, "headers": headers}, None, send)
    return messages, str(inside[0])


@pytest.mark.parametrize(("kind", "type_"), [("http", "http.response.start"), ("websocket", "websocket.accept")])
async def test_the_response_names_the_id_that_log_lines_carry(kind: str, type_: str) -> None:
    (start, other), inside = await sent(kind, {"type": type_, "headers": [(b"a", b"b")]}, [(b"x-request-id", b"r-1")])
    assert start["headers"] == [(b"a", b"b"), (b"X-Request-ID", b"r-1")]
    assert (inside, other) == ("r-1", {"type": "other"})
    assert "request_id" not in context_fields()


async def test_an_id_that_the_response_has_already_stays() -> None:
    start = {"type": "http.response.start", "headers": [(b"x-request-id", b"of-a-workflow")]}
    (message, _), inside = await sent("http", start, [])
    assert message["headers"] == [(b"x-request-id", b"of-a-workflow")]
    assert is_made(inside)


async def test_other_scopes_pass_through() -> None:
    _, inside = await sent("lifespan", {"type": "lifespan.startup.complete"}, [])
    assert inside == "None"
