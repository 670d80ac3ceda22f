"""An http_request that signs in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from executions.credentials import OpenCredential
from executions.domain.credential_types import read_fields
from executions.domain.errors import NodeError
from tests.hostile import Hostile, hostile, read_request
from tests.unit.nodes.running import run_in_context

SECRET = "correct-horse/battery"


class Echo:
    """Says what it was asked; refuses the tokens in `refused`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refused: set[str] = set()
        self.tokens = 0

    def __call__(self, connection: Any, over: threading.Event) -> None:
        while request := read_request(connection):
            text = request.decode()
            status, said = 200, json.dumps({"echo": text})
            if text.startswith("POST /token"):
                self.tokens += 1
                said = json.dumps({"access_token": f"token-of-{self.tokens}"})
            else:
                self.asked.append(text)
                status = 401 if any(token in text for token in self.refused) else 200
            body = said.encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)


@pytest.fixture
def echo(settings: Any) -> Echo:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    return Echo()


@pytest.fixture
def server(echo: Echo) -> Iterator[Hostile]:
    with hostile(echo) as running:
        yield running


def asking(
    url: str, type_: str, data: dict[str, Any], *, hosts: list[str] | None = None, said: Any = None, **further: Any
) -> Any:
    """Run the node over two items with a credential of a type."""

    def find(reference: str, cancelled: threading.Event) -> OpenCredential:
        return OpenCredential(uuid4(), reference, hosts or [], "v", read_fields(type_, data), cancelled)

    context = {"find_credential": find} | ({"log": said} if said else {})
    items = {"main": [{}, {}]}
    parameters = {"url": url, "credential": "API"} | further
    return run_in_context("http_request", items, context, **parameters)


@pytest.mark.parametrize(
    ("type_", "data", "sent"),
    [
        ("basic", {"username": "ada", "password": SECRET}, "Basic YWRhOmNvcnJlY3QtaG9yc2UvYmF0dGVyeQ=="),
        ("bearer", {"token": SECRET}, f"Authorization: Bearer {SECRET}"),
        ("header", {"name": "X-Key", "value": SECRET}, f"X-Key: {SECRET}"),
        ("query", {"name": "key", "value": SECRET}, "?a=1&key=correct-horse%2Fbattery "),
    ],
)
def test_it_sends_the_secret_and_does_not_give_it_out(
    echo: Echo, server: Hostile, type_: str, data: dict[str, Any], sent: str
) -> None:
    result = asking(server.url, type_, data, query={"a": 1}, headers={"authorization": "x", "x-key": "y"})
    assert len(echo.asked) == 2
    assert all(sent in asked for asked in echo.asked)
    told = json.dumps(result.outputs)
    assert "***" in told
    assert SECRET not in told
    assert sent.split("key=")[-1].strip() not in told


def test_a_failure_does_not_tell_it_either(echo: Echo, server: Hostile) -> None:
    echo.refused = {SECRET}
    with pytest.raises(NodeError, match=r"/\*\*\* responded with status 401"):
        asking(f"{server.url}{SECRET}", "bearer", {"token": SECRET})
    with pytest.raises(NodeError) as raised:
        asking(f"http://127.0.0.9/{SECRET}", "bearer", {"token": SECRET})
    assert SECRET not in str(raised.value)


def test_it_is_sent_only_where_it_may_go(echo: Echo, server: Hostile) -> None:
    for hosts in (["127.0.0.2"], ["*.0.0.2", "127.0.0.2"]):
        asking(server.url, "bearer", {"token": SECRET}, hosts=hosts)
    before = len(echo.asked)
    for hosts in (["api.example.org"], ["*.127.0.0.2"], ["0.0.2"]):
        with pytest.raises(NodeError, match="may only be sent to"):
            asking(server.url, "bearer", {"token": SECRET}, hosts=hosts)
    assert len(echo.asked) == before


def test_a_token_is_renewed_once_when_it_is_refused(echo: Echo, server: Hostile) -> None:
    data = {"token_url": f"{server.url}token", "client_id": "ada", "client_secret": SECRET}
    echo.refused = {"token-of-1"}
    result = asking(server.url, "oauth2_client_credentials", data)
    assert [item["status"] for item in result.outputs["main"]] == [200, 200]
    assert echo.tokens == 2
    assert "token-of-2" not in json.dumps(result.outputs)
    echo.refused = {"token-of-"}
    with pytest.raises(NodeError, match="responded with status 401"):
        asking(server.url, "oauth2_client_credentials", data)
    assert echo.tokens == 4
    result = asking(server.url, "oauth2_client_credentials", data, fail_on_error_status=False)
    assert [item["status"] for item in result.outputs["main"]] == [401, 401]
    assert echo.tokens <= 6


def test_without_a_finder_there_is_none() -> None:
    with pytest.raises(NodeError, match="no credential 'API'"):
        run_in_context("http_request", {"main": [{}]}, {}, url="http://127.0.0.2/", credential="API")
