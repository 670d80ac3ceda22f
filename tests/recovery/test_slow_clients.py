"""Clients that do not read, or do not answer: what they cost, and that they get everything when they read again."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import requests
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.uri import parse_uri

from tests.benchmarks.plan import Plan
from tests.sites import Site, Web, python
from workflow_platform.installation.embedded import wait_until

PLAN = Plan(streams=8, batches=240)
"""48,000 events of half a kilobyte: 24 MB for each who watches."""
MOST_GROWTH = 14 * 2**20
"""Of the web process's memory, while two clients leave 48 MB unread."""
SMALL = 64 * 1024


@contextmanager
def writer(site: Site, plan: Plan) -> Iterator[tuple[Any, list[str]]]:
    """Run a process that writes events; yield it, and the streams that it will write to when it gets a line."""
    with python(site.environment, "-m", "tests.benchmarks.writer", plan.text()) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        process.communicate("\n")


def small_socket(web: Web) -> socket.socket:
    """Return a connection in which little fits."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    made.connect(("127.0.0.1", web.port))
    return made


class Taken:
    """What has come of the streams; fails at an event that is missing, doubled or out of order."""

    def __init__(self, streams: list[str]) -> None:
        self.last = dict.fromkeys(streams, 0)

    def take(self, stream: str, sequence: int) -> None:
        assert sequence == self.last[stream] + 1, stream
        self.last[stream] = sequence

    @property
    def complete(self) -> bool:
        return all(last == PLAN.expected(place) for place, last in enumerate(self.last.values()))

    async def read(self, connection: ClientConnection) -> None:
        """Take frames until everything has come."""
        while not self.complete:
            frame = json.loads(await connection.recv())
            for event in frame.get("events", ()):
                self.take(frame["stream"], event["sequence"])

    def read_lines(self, answer: HTTPResponse) -> None:
        """Take an event stream until everything has come."""
        while not self.complete:
            line = answer.readline()
            assert line
            if line.startswith(b'data: {"id"'):
                event = json.loads(line.removeprefix(b"data: "))
                self.take(event["stream"], event["sequence"])


async def subscribed(site: Site, web: Web, streams: list[str], **options: Any) -> ClientConnection:
    connection = await connect(web.ws_url, additional_headers=site.headers, ping_interval=None, **options)
    for stream in streams:
        await connection.send(json.dumps({"type": "subscribe", "stream": stream, "after": 0}))
    return connection


def event_stream(site: Site, web: Web, streams: list[str]) -> tuple[HTTPConnection, HTTPResponse]:
    connection = HTTPConnection("127.0.0.1", web.port)
    connection.sock = small_socket(web)
    query = "&".join(f"stream={stream}" for stream in streams)
    connection.request("GET", f"/api/events/stream/?{query}", headers=site.headers)
    return connection, connection.getresponse()


async def test_who_does_not_read_costs_little_holds_up_nobody_and_gets_everything_later(hurt: Site) -> None:
    web = await asyncio.to_thread(hurt.web)
    with writer(hurt, PLAN) as (process, streams):
        slow, quick, slow_lines = Taken(streams), Taken(streams), Taken(streams)
        reading = await subscribed(hurt, web, streams)
        not_reading = await subscribed(hurt, web, streams, sock=small_socket(web), max_queue=1)
        connection, lines = await asyncio.to_thread(event_stream, hurt, web, streams)
        before = web.seen.memory_info().rss
        watching = asyncio.create_task(quick.read(reading))
        process.stdin.write("\n")
        process.stdin.flush()
        async with asyncio.timeout(240):
            await watching
        growth = web.seen.memory_info().rss - before
        assert not slow.complete  # and yet the other has everything
        async with asyncio.timeout(240):
            await asyncio.gather(slow.read(not_reading), asyncio.to_thread(slow_lines.read_lines, lines))
        await asyncio.gather(reading.close(), not_reading.close())
        lines.close()
        connection.close()
    assert growth < MOST_GROWTH


def test_who_does_not_answer_a_ping_is_told_4408(hurt: Site) -> None:
    web = hurt.web(WS_PING_INTERVAL=1000, WS_PONG_TIMEOUT=1000)
    protocol = ClientProtocol(parse_uri(web.ws_url), max_size=None)
    request = protocol.connect()
    request.headers.update(hurt.headers)
    protocol.send_request(request)
    with socket.create_connection(("127.0.0.1", web.port), timeout=240) as connection:
        connection.sendall(b"".join(protocol.data_to_send()))
        received: list[Any] = []
        while not any(getattr(frame, "opcode", None) == Opcode.CLOSE for frame in received):
            protocol.receive_data(connection.recv(65536))
            received += protocol.events_received()
            protocol.data_to_send()  # the answers, which are kept back
    assert any(getattr(frame, "opcode", None) == Opcode.PING for frame in received)
    assert protocol.close_rcvd is not None
    assert protocol.close_rcvd.code == 4408


async def test_who_neither_reads_nor_answers_makes_room_for_others(hurt: Site) -> None:
    settings = {"WS_MAX_CONNECTIONS": "1"}
    web = await asyncio.to_thread(lambda: hurt.web(WS_PING_INTERVAL=1000, WS_PONG_TIMEOUT=1000, **settings))
    plan = Plan(streams=8, batches=10, held=10_000)  # more than the system's buffers hold
    with writer(hurt, plan) as (_, streams):
        stuck = await subscribed(hurt, web, streams, sock=small_socket(web), max_queue=1)
        while True:
            async with connect(web.ws_url, additional_headers=hurt.headers) as other:
                try:
                    await other.send('{"type": "ping"}')
                    assert json.loads(await other.recv()) == {"type": "pong"}
                    break
                except ConnectionClosed:
                    assert other.close_code == 4429
            await asyncio.sleep(0.2)
        stuck.transport.abort()
        await stuck.wait_closed()


async def test_a_frame_of_the_server_may_be_larger_than_those_of_clients(hurt: Site) -> None:
    web = await asyncio.to_thread(hurt.web)
    with writer(hurt, Plan(streams=8, batches=0, held=1000)) as (_, streams):
        connection = await subscribed(hurt, web, streams[:1], max_size=None)
        await connection.send(json.dumps({"type": "read", "stream": streams[0], "after": 0, "limit": 1000}))
        async with asyncio.timeout(240):
            while (text := await connection.recv()) and json.loads(text)["type"] != "page":
                pass
        assert len(json.loads(text)["events"]) == 1000
        assert len(text) > 2 * 65536
        await connection.close()


def test_who_goes_leaves_nothing_behind(hurt: Site) -> None:
    web = hurt.web(WS_MAX_CONNECTIONS="1")
    address = f"{web.url}/api/events/stream/?stream=executions&after=0"

    def comes_and_goes() -> bool:
        with requests.get(address, headers=hurt.headers, stream=True, timeout=240) as answer:
            return answer.status_code == 200

    for _ in range(40):  # at whatever moment: the server may be about to send
        wait_until(comes_and_goes, "Room for one")
