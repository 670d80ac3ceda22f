"""Streams over plain HTTP: what a browser's EventSource and `curl` get."""

from __future__ import annotations

import json
from itertools import takewhile
from typing import Any

import pytest
import requests

from tests.conftest import Platform
from tests.integration.test_subscribing import ended  # noqa: F401 - a fixture
from tests.people import Person

Message = dict[str, str]


def read(platform: Platform, path: str, token: str = "", **headers: str) -> requests.Response:
    headers["Authorization"] = f"Bearer {token or platform.token}"
    return requests.get(platform.url + path, headers=headers, timeout=240, stream=True)


def messages(response: requests.Response) -> list[Message]:
    """Return the messages of a response that ends, as the HTML standard has them read."""
    assert response.headers["Content-Type"] == "text/event-stream"
    found = []
    for block in response.content.decode().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            found.append({name: value for name, _, value in lines})
    return found


def test_an_execution_is_streamed_to_its_end(platform: Platform, ended: dict[str, Any]) -> None:  # noqa: F811
    found = messages(read(platform, f"/api/executions/{ended['id']}/stream/"))
    assert found[0] == {"retry": "1000"}
    assert found[-1]["event"] == "end"
    envelopes = [(message["id"], json.loads(message["data"])) for message in found if set(message) == {"id", "data"}]
    history = platform.request("GET", f"/api/executions/{ended['id']}/events/").json()["events"]
    assert [envelope for _, envelope in envelopes] == history
    assert [int(id_) for id_, _ in envelopes] == [envelope["sequence"] for envelope in history]


def test_it_goes_on_after_the_last_id_and_stops_asking_at_the_end(
    platform: Platform,
    ended: dict[str, Any],  # noqa: F811
) -> None:
    path = f"/api/executions/{ended['id']}/stream/"
    head = platform.request("GET", f"/api/executions/{ended['id']}/events/").json()["head"]
    found = messages(read(platform, path, **{"Last-Event-ID": "3"}))
    assert [int(message["id"]) for message in found if set(message) == {"id", "data"}] == list(range(4, head + 1))
    assert read(platform, path, **{"Last-Event-ID": str(head)}).status_code == 204
    assert read(platform, f"{path}?after={head}").status_code == 204


def test_curl_gets_json_lines(platform: Platform, ended: dict[str, Any]) -> None:  # noqa: F811
    history = platform.request("GET", f"/api/executions/{ended['id']}/events/").json()["events"]
    path = f"/api/executions/{ended['id']}/stream/"
    for response in (read(platform, f"{path}?format=ndjson"), read(platform, path, Accept="application/x-ndjson")):
        assert response.headers["Content-Type"] == "application/x-ndjson"
        assert [json.loads(line) for line in response.content.splitlines()] == history


def test_several_streams_share_one_response_and_their_cursors_one_id(
    platform: Platform,
    ended: dict[str, Any],  # noqa: F811
) -> None:
    workflow = f"workflow:{ended['workflow']}"
    execution = f"execution:{ended['id']}"
    path = f"/api/events/stream/?stream={execution}&stream={workflow}&level=lifecycle"
    with read(platform, path) as response:
        last, live = "", 0
        for line in response.iter_lines(chunk_size=None, decode_unicode=True):
            last = line.removeprefix("id: ") if line.startswith("id: ") else last
            live += line in {"event: live", "event: end"}
            if live == 2 and not line:
                break
    cursors = dict(part.split("=") for part in last.split(","))
    assert cursors.keys() == {execution, workflow}
    with read(platform, path, **{"Last-Event-ID": last}) as again:
        lines = again.iter_lines(chunk_size=None, decode_unicode=True)
        said = list(takewhile(lambda line: line != "event: live", lines))
    assert [line for line in said if line.startswith("event: ")] == [
        "event: subscribed",
        "event: subscribed",
        "event: end",
    ]
    assert not [line for line in said if '"source":' in line]  # not one event again


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("stream=executions&after=x", 400, "`after`"),
        ("stream=executions&after=executions=x", 400, "`after`"),
        ("stream=executions&types=nothing.*", 400, "`types`"),
        ("stream=executions&level=low", 400, "`level`"),
        ("stream=executions&format=xml", 400, "`format`"),
        ("stream=executions&stream=executions", 400, "`stream`"),
        ("", 400, "`stream`"),
        ("stream=execution:00000000-0000-7000-8000-000000000000", 404, "`stream`"),
    ],
)
def test_a_wrong_parameter_is_named(platform: Platform, query: str, status: int, field: str) -> None:
    answer = read(platform, f"/api/events/stream/?{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["detail"].startswith(field)


def test_strangers_and_nobody_get_nothing(platform: Platform, ended: dict[str, Any]) -> None:  # noqa: F811
    path = f"/api/executions/{ended['id']}/stream/"
    assert requests.get(platform.url + path, timeout=240).status_code == 401
    stranger = Person(platform, None)
    assert read(platform, path, stranger.token).status_code == 404
    assert read(platform, "/api/events/stream/?stream=executions", stranger.token).status_code == 404
    assert read(platform, "/api/events/stream/?stream=system", Person(platform, "admin").token).status_code == 404
