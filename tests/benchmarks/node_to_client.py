"""From the end of a node to the client: executions run by `manage.py up` itself, each watched over a socket of its own.

An execution waits a second after its trigger, so that its client is live, and then runs a chain of eight `set` nodes.
What counts is from the `time` of `execution.node_completed`, taken when the node has ended and before anything is
written, to its arrival. Executions are started at a fixed rate, far below what the platform can.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.reporting import Report
from tests.benchmarks.sockets import connect
from tests.benchmarks.watching import quantile
from tests.installation import Installation, installation
from tests.workflows import edge, node

NODES = 8
EXECUTIONS, RATE, WARM_UP = 120, 8.0, 10
PATIENCE_SECONDS = 60.0
DEFINITION: dict[str, Any] = {
    "name": "Benchmark from node to client",
    "nodes": [
        node("start", "manual_trigger"),
        node("pause", "wait", seconds=1),
        *(node(f"set{n}", "set", fields={f"step{n}": "{{ $json.n + 1 }}"}) for n in range(NODES)),
    ],
    "edges": [
        edge("start", "pause"),
        edge("pause", "set0"),
        *(edge(f"set{n}", f"set{n + 1}") for n in range(NODES - 1)),
    ],
}


class Client:
    """Watches one execution; `delays` are from each node's end to the arrival of its event, in milliseconds."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self._live = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._epoch = time.time() - time.monotonic()

    async def watch(self, url: str, token: str, execution: str) -> None:
        """Watch to the end."""
        socket = await connect(url, token, self._take)
        socket.send({"type": "subscribe", "stream": f"execution:{execution}", "after": 0})
        await asyncio.wait_for(self._ended, PATIENCE_SECONDS)
        socket.transport.close()

    def _take(self, frame: dict[str, Any], now: float) -> None:
        if frame["type"] == "events" and self._live:
            for event in frame["events"]:
                if event["type"] == "execution.node_completed" and event["data"]["node"].startswith("set"):
                    ended = datetime.fromisoformat(event["time"]).timestamp()
                    self.delays.append((self._epoch + now - ended) * 1000)
        self._live = self._live or frame["type"] == "live"
        if frame["type"] == "end" and not self._ended.done():
            self._ended.set_result(None)


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    with installation(folder / "node-to-client", PERF_MAX_CONCURRENT_EXECUTIONS="200") as platform:
        workflow = platform.create_workflow(DEFINITION)
        asyncio.run(measure(platform, workflow, WARM_UP))
        delays = asyncio.run(measure(platform, workflow, EXECUTIONS))
    told = {"executions": EXECUTIONS, "at": f"{RATE:g} executions/s", "nodes_seen": len(delays)}
    for title, share in (("p50", 0.5), ("p99", 0.99)):
        report(f"node_end_to_client_{title}", "ms", quantile(delays, share), **told)


async def measure(platform: Installation, workflow: str, count: int) -> list[float]:
    """Start executions at the rate, watch each, and return all delays."""
    first = time.monotonic()
    clients = [Client() for _ in range(count)]

    async def one(number: int) -> None:
        await asyncio.sleep(max(0.0, first + number / RATE - time.monotonic()))
        path = f"/api/workflows/{workflow}/execute/"
        answer = await asyncio.to_thread(platform.request, "POST", path, json={"input": [{"n": number}]})
        assert answer.status_code < 300, answer.text
        await clients[number].watch(platform.ws_url, platform.token, answer.json()["id"])

    await asyncio.gather(*(one(number) for number in range(count)))
    return [delay for client in clients for delay in client.delays]
