"""Independent clients, each with its own code for the protocol, that lose their connections and come back."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import requests
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from events.client import EventClient
from tests.sites import Site
from tests.workflows import edge, node

Events = list[dict[str, Any]]
PAUSE_SECONDS = 0.2


class Lines:
    """An SSE client: one thread and one response for each stream, resumed by Last-Event-ID as a browser does it."""

    def __init__(self, url: str, token: str, executions: Sequence[str] = ()) -> None:
        self.url, self.token = url, token
        self.held: dict[str, Events] = {}
        self.ended: dict[str, bool] = {}
        self.told: dict[str, set[str]] = {}
        """Kinds of messages, besides events."""
        self.over = threading.Event()
        self._threads: list[threading.Thread] = []
        for execution in executions:
            self.watch(execution)

    def watch(self, execution: str) -> None:
        """Watch one execution more."""
        self.held[execution], self.ended[execution], self.told[execution] = [], False, set()
        thread = threading.Thread(target=self._follow, args=(execution,))
        self._threads.append(thread)
        thread.start()

    def finish(self, seconds: float) -> None:
        """Wait until every stream has ended, so long at most; those that have not are left."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self.over.set()
        for thread in self._threads:
            thread.join()

    def _follow(self, execution: str) -> None:
        last = ""
        while not self.ended[execution] and not self.over.is_set():
            headers = {"Authorization": f"Bearer {self.token}"} | ({"Last-Event-ID": last} if last else {})
            address = f"{self.url}/api/executions/{execution}/stream/"
            try:
                with requests.get(address, headers=headers, stream=True, timeout=(5, 20)) as answer:
                    if answer.status_code == 204:
                        self.ended[execution] = True
                    elif answer.status_code == 200:
                        last = self._read(execution, answer, last)
            except requests.RequestException:
                pass
            time.sleep(0 if self.ended[execution] else PAUSE_SECONDS)

    def _read(self, execution: str, answer: requests.Response, last: str) -> str:
        """Take messages until the connection goes. Returns the last id that was told."""
        message: dict[str, str] = {}
        try:
            for line in answer.iter_lines(chunk_size=None, decode_unicode=True):
                if self.over.is_set():
                    break
                if line:
                    name, _, value = line.partition(": ")
                    message[name] = value
                    continue
                # Only a message that is complete counts, its id included.
                if "data" in message and "event" not in message:
                    self.held[execution].append(json.loads(message["data"]))
                last = message.get("id", last)
                self.told[execution].add(message.get("event", ""))
                if message.get("event") == "end":
                    self.ended[execution] = True
                    break
                message = {}
        except requests.RequestException:
            pass
        return last


class Sockets:
    """A WebSocket client of one connection for all streams, on the library alone."""

    def __init__(self, ws_url: str, token: str, streams: Sequence[str]) -> None:
        self.ws_url, self.token = ws_url, token
        self.held: dict[str, Events] = {stream: [] for stream in streams}
        self.open = set(streams)
        self.closed: list[int | None] = []
        """With which codes connections were closed."""

    async def follow(self) -> None:
        """Watch until every stream has ended."""
        headers = {"Authorization": f"Bearer {self.token}"}
        while self.open:
            try:
                async with connect(self.ws_url, additional_headers=headers, max_size=None, open_timeout=10) as socket:
                    for stream in sorted(self.open):
                        after = self.held[stream][-1]["sequence"] if self.held[stream] else 0
                        await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": after}))
                    while self.open:
                        self._take(json.loads(await socket.recv()))
            except ConnectionClosed as error:
                self.closed.append(error.rcvd.code if error.rcvd else None)
            except (OSError, InvalidHandshake):
                pass
            if self.open:
                await asyncio.sleep(PAUSE_SECONDS)

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "events":
            self.held[frame["stream"]] += frame["events"]
        elif frame["type"] == "end":
            self.open.remove(frame["stream"])
        else:
            assert frame["type"] in {"subscribed", "live", "degraded"}, frame


async def tail_all(url: str, token: str, streams: Sequence[str]) -> dict[str, Events]:
    """Watch streams to their ends with the platform's own Python client."""

    async def one(client: EventClient, stream: str) -> Events:
        return [dict(event) async for event in client.tail(stream)]

    async with EventClient(url, token=token) as client:
        found = await asyncio.gather(*(one(client, stream) for stream in streams))
    return dict(zip(streams, found, strict=True))


def faults(seen: Events, history: Events) -> dict[str, int]:
    """Count what is lost, doubled, out of order, and different from what history says."""
    had = [event["sequence"] for event in seen]
    by_sequence = {event["sequence"]: event for event in history}
    wanted = set(by_sequence)
    return {
        "lost": len(wanted - set(had)),
        "doubled": len(had) - len(set(had)),
        "reordered": sum(a > b for a, b in pairwise(had)),
        "different": sum(by_sequence.get(event["sequence"]) != event for event in seen),
    }


NONE = {"lost": 0, "doubled": 0, "reordered": 0, "different": 0}


def gated(site: Site, url: str, gates: int) -> str:
    """Save a workflow that asks `url`gate0, tells of some steps, asks `url`gate1, and so on. Returns its id."""
    nodes = [node("start", "manual_trigger")]
    for gate in range(gates):
        ask = {"method": "POST", "timeout_seconds": 120, "url": f"{url}gate{gate}"}
        nodes += [node(f"gate{gate}", "http_request", **ask)]
        nodes += [node(f"pause{gate}{n}", "wait", seconds=0.1) for n in range(3)]
    edges = [edge(a["id"], b["id"]) for a, b in pairwise(nodes)]
    definition = {"name": "Gated", "nodes": nodes, "edges": edges}
    return str(site.request("POST", "/api/workflows/", json=definition).json()["id"])


def start_gated(site: Site, url: str, executions: int, gates: int) -> list[str]:
    """Start executions of such a workflow. Returns their ids."""
    path = f"/api/workflows/{gated(site, url, gates)}/execute/"
    return [str(site.request("POST", path, json={}).json()["id"]) for _ in range(executions)]
