"""Two web processes at one address: one is killed, the other told to restart, sockets are cut; clients miss nothing."""

from __future__ import annotations

import asyncio
import json
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from websockets.asyncio.client import ClientConnection, connect

from tests.answering import Answering, answering
from tests.cutting import CuttingProxy, cutting
from tests.nginx import nginx, nginx_or_skip
from tests.recovery.watchers import NONE, Lines, Sockets, faults, start_gated, tail_all
from tests.sites import Site
from workflow_platform.installation.embedded import wait_until

EXECUTIONS, GATES = 10, 5
BYSTANDERS = 40


@pytest.fixture
def behind(hurt: Site) -> Site:
    """Yield a platform of two web processes behind nginx."""
    nginx_or_skip()
    with ThreadPoolExecutor() as beside:
        list(beside.map(lambda _: hurt.web(), range(2)))
    front, url = nginx(hurt.folder / f"nginx-{hurt.webs[0].port}", [web.port for web in hurt.webs])
    hurt.keep(front)
    hurt.front = url
    hurt.wait_until_ready()
    return hurt


async def test_whichever_process_dies_each_client_gets_every_event_once_and_in_order(behind: Site) -> None:
    with answering() as server, cutting(int(behind.front.rsplit(":", 1)[1])) as proxy:
        executions = await asyncio.to_thread(start_gated, behind, server.url, EXECUTIONS, GATES)
        streams = [f"execution:{execution}" for execution in executions]
        through = f"http://127.0.0.1:{proxy.port}"
        lines = Lines(through, behind.token, executions[:4])
        sockets = [Sockets(f"ws://127.0.0.1:{proxy.port}/ws/", behind.token, streams) for _ in range(4)]
        async with asyncio.timeout(240), asyncio.TaskGroup() as group:
            tails = [group.create_task(tail_all(through, behind.token, streams)) for _ in range(2)]
            for client in sockets:
                group.create_task(client.follow())
            await asyncio.to_thread(disturb, behind, proxy, server)
        await asyncio.to_thread(lines.finish, 30)
    for execution in executions:
        history = await asyncio.to_thread(behind.history, execution)
        assert [event["sequence"] for event in history] == list(range(1, len(history) + 1))
        stream = f"execution:{execution}"
        seen = [client.held[stream] for client in sockets] + [tail.result()[stream] for tail in tails]
        seen += [lines.held[execution]] if execution in lines.held else []
        for events in seen:
            assert faults(events, history) == NONE
    assert all(lines.ended.values())
    assert 1012 in {code for client in sockets for code in client.closed}
    assert sum(len(client.closed) for client in sockets) >= 2 * len(sockets)


def disturb(platform: Site, proxy: CuttingProxy, server: Answering) -> None:
    """Kill one process, restart the other, cut sockets, while clients watch and events come."""
    one, other = platform.webs

    def go_on(gate: int) -> None:
        wait_until(lambda: proxy.open >= 10, "The clients")
        server.open(f"gate{gate}")

    go_on(0)
    one.kill()
    go_on(1)
    one.start()
    other.send(signal.SIGTERM)
    go_on(2)
    other.end()
    other.start()
    go_on(3)
    proxy.cut()
    go_on(4)
    proxy.cut()


async def watching(url: str, platform: Site) -> ClientConnection:
    socket = await connect(url, additional_headers=platform.headers)
    await socket.send(json.dumps({"type": "subscribe", "stream": "executions", "after": -1}))
    while json.loads(await socket.recv())["type"] != "live":
        pass
    return socket


async def test_who_must_leave_is_told_so_and_the_address_still_answers(behind: Site) -> None:
    leaving = behind.webs[1]
    sockets = await asyncio.gather(*(watching(leaving.ws_url, behind) for _ in range(BYSTANDERS)))

    leaving.send(signal.SIGTERM)
    async with asyncio.timeout(240):
        await asyncio.gather(*(socket.wait_closed() for socket in sockets))
    assert {socket.close_code for socket in sockets} == {1012}
    for _ in range(4):  # while it is away
        assert (await asyncio.to_thread(behind.request, "GET", "/api/workflows/")).status_code == 200
        socket = await watching(behind.ws_url, behind)
        socket.transport.abort()
        await socket.wait_closed()


async def test_an_event_stream_passes_nginx_as_it_comes(behind: Site) -> None:
    with answering() as server:
        (execution,) = await asyncio.to_thread(start_gated, behind, server.url, 1, 1)

        def read() -> list[str]:
            """Return the types of events that come while the execution stands."""
            types: list[str] = []
            address = f"{behind.url}/api/executions/{execution}/stream/"
            with requests.get(address, headers=behind.headers, stream=True, timeout=240) as answer:
                for line in answer.iter_lines(chunk_size=None, decode_unicode=True):
                    if line.startswith('data: {"id"'):
                        types.append(json.loads(line.removeprefix("data: "))["type"])
                        if types.count("execution.node_started") == 2:
                            server.open("gate0")
            return types

        types = await asyncio.wait_for(asyncio.to_thread(read), 240)
    assert types[-1] == "execution.completed"
