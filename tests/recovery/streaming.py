"""Clients watch executions while web processes, workers and Redis die and come back, and sockets are cut.

`python -m tests.recovery.streaming --executions 500 --seconds 600 [--seed N]`; a short one is in the suite. Four
clients, each with its own code for the protocol, watch every execution: a WebSocket and an event stream in JavaScript
without any library (tests/recovery/watcher.mjs, where Node is), the platform's Python client, and an event stream on
`requests`. In the end each has every event of each stream once and in order, as the REST history has them. Prints a
JSON summary.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from events.client import EventClient
from tests.cutting import CuttingProxy, cutting
from tests.folding import read_history
from tests.installation import Installation, installation, kill
from tests.recovery.chaos import CLIENTS, SETTLE_LEASES, SETTLE_SECONDS, Chaos
from tests.recovery.disturbances import Disturbances
from tests.recovery.effects import effects_server
from tests.recovery.shapes import SHAPES
from tests.recovery.watchers import Events, Lines, faults

WATCHER = Path(__file__).with_name("watcher.mjs")
CATCH_UP_SECONDS = 180.0
HANG_SECONDS = 6.0
"""How long Redis hangs: longer than a web process takes to notice."""
FEW = (
    "a worker is killed",
    "Redis is killed",
    "the web process is killed",
    "the web process is told to restart",
    "sockets are cut, and those after them in the middle",
)
"""For a short run."""


class Client(Protocol):
    """Watches executions, by their ids, to their ends."""

    held: dict[str, Events]
    ended: dict[str, bool]

    def watch(self, execution: str) -> None:
        """Watch one execution more."""

    def finish(self, seconds: float) -> None:
        """Wait until every stream has ended, so long at most, and stop."""


class Node:
    """The clients in JavaScript; of events they tell sequence and id."""

    def __init__(self, kind: str, url: str, token: str, log: Path) -> None:
        self.held: dict[str, Events] = {}
        self.ended: dict[str, bool] = {}
        self.told: dict[str, int] = {}
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                ["node", str(WATCHER), kind, url],
                env=os.environ | {"WATCHER_TOKEN": token},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def watch(self, execution: str) -> None:
        self.held[execution], self.ended[execution] = [], False
        assert self._process.stdin is not None
        self._process.stdin.write(f"execution:{execution}\n")
        self._process.stdin.flush()

    def finish(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not all(self.ended.values()) and time.monotonic() < until and self._process.poll() is None:
            time.sleep(0.1)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._reader.join(60)
        if self._process.wait(60):
            self.told["exit code"] = self._process.returncode
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            stream, _, rest = line.rstrip("\n").partition(" ")
            if stream == "told":
                self.told = json.loads(rest)
            elif stream == "end":
                self.ended[rest.removeprefix("execution:")] = True
            else:
                sequence, id_ = rest.split(" ")
                self.held[stream.removeprefix("execution:")].append({"sequence": int(sequence), "id": id_})


class Tails:
    """The platform's Python client, in a thread of its own."""

    def __init__(self, url: str, token: str) -> None:
        self.held: dict[str, Events] = {}
        self.ended: dict[str, bool] = {}
        self.failures: list[str] = []
        self._client = EventClient(url, token=token)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._client.__aenter__(), self._loop).result(60)

    def watch(self, execution: str) -> None:
        self.held[execution], self.ended[execution] = [], False
        asyncio.run_coroutine_threadsafe(self._follow(execution), self._loop)

    async def _follow(self, execution: str) -> None:
        try:
            async for event in self._client.tail(f"execution:{execution}"):
                self.held[execution].append(dict(event))
            self.ended[execution] = True
        except Exception as error:  # it fails at a gap, by itself
            self.failures.append(f"{execution}: {error!r}")

    def finish(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not all(self.ended.values()) and time.monotonic() < until:
            time.sleep(0.1)
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Streaming(Chaos):
    """A chaos run that is watched."""

    clients: dict[str, Client] = field(default_factory=dict)

    def execute(self, workflow: str, tag: str) -> None:
        """Start an execution, and have it watched by everybody."""
        super().execute(workflow, tag)
        if (execution := self.accepted.get(tag)) is not None:
            for client in self.clients.values():
                client.watch(execution)

    def compare(self) -> dict[str, Any]:
        """Hold what each client saw against the history. What is wrong is added to `failures`."""
        histories = {execution: read_history(self.platform, execution) for execution in self.accepted.values()}
        for execution, history in histories.items():
            if [event["sequence"] for event in history] != list(range(1, len(history) + 1)):
                self.failures.append(f"the history of {execution} has gaps")
        seen = {name: self._seen(name, client, histories) for name, client in self.clients.items()}
        events = sum(map(len, histories.values()))
        return {"executions": len(histories), "events": events, "clients": seen}

    def _seen(self, name: str, client: Client, histories: dict[str, Events]) -> dict[str, Any]:
        total: Counter[str] = Counter(streams=len(client.held), events=sum(map(len, client.held.values())))
        for execution, history in histories.items():
            held = client.held[execution]
            if held and held[0].keys() == {"sequence", "id"}:
                history = [{"sequence": event["sequence"], "id": event["id"]} for event in history]
            found = faults(held, history) | {"without_end": int(not client.ended[execution])}
            total.update(found)
            if any(found.values()):
                self.failures.append(f"{name}, {execution}: {found}")
        self.failures += getattr(client, "failures", [])
        return dict(total) | {"told": getattr(client, "told", {})} if isinstance(client, Node) else dict(total)


def blows(platform: Installation, proxy: CuttingProxy, chance: random.Random) -> dict[str, Any]:
    """Return what befalls connections, besides the deaths of processes."""

    def restart() -> None:
        for web in platform.processes("web"):
            kill(web, signal.SIGTERM)

    def hang() -> None:
        for redis in platform.processes("redis"):
            redis.suspend()
            threading.Timer(HANG_SECONDS, thaw, [redis]).start()

    def thaw(redis: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess):  # killed while it hung
            redis.resume()

    def cut_short() -> None:
        proxy.limits = itertools.chain(proxy.limits, iter([chance.randrange(200, 20_000) for _ in range(20)]))
        proxy.cut()

    return {
        "the web process is told to restart": restart,
        "Redis hangs": hang,
        "sockets are cut": proxy.cut,
        "sockets are cut, and those after them in the middle": cut_short,
    }


@contextmanager
def watching(platform: Installation, folder: Path) -> Iterator[tuple[CuttingProxy, dict[str, Client]]]:
    """Yield a proxy on the way to the platform, and clients that come through it."""
    with cutting(int(platform.url.rsplit(":", 1)[1])) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        clients: dict[str, Client] = {
            "python": Tails(url, platform.token),
            "python, event stream": Lines(url, platform.token),
        }
        if shutil.which("node"):
            for kind, name in (("ws", "javascript, websocket"), ("sse", "javascript, event stream")):
                clients[name] = Node(kind, url, platform.token, folder / f"watcher-{kind}.log")
        try:
            yield proxy, clients
        finally:
            for client in clients.values():
                client.finish(CATCH_UP_SECONDS)


def run(
    folder: Path,
    *,
    executions: int,
    seconds: float,
    pause: tuple[float, float],
    lease: float,
    seed: int,
    only: Collection[str] = (),
) -> tuple[Streaming, dict[str, Any]]:
    """Run, watch and compare. Returns the run, whose `failures` tell what is wrong, and the summary."""
    settings = {"LEASE_SECONDS": f"{lease:g}", "HEARTBEAT_SECONDS": f"{lease / 5:g}", "MAX_RECOVERIES": "100"}
    settings |= {"WS_MAX_CONNECTIONS": "5000", "WS_MAX_CONNECTIONS_PER_USER": "5000"}  # an SSE client has many
    with ExitStack() as stack:
        server = stack.enter_context(effects_server())
        platform = stack.enter_context(installation(folder, **settings))
        streaming = Streaming(platform, server, seed)
        for make in SHAPES:
            shape = make(server.url)
            streaming.shapes[platform.create_workflow({"name": f"Streamed: {shape.name}"} | shape.definition)] = shape
        with watching(platform, folder) as (proxy, streaming.clients):
            further = blows(platform, proxy, random.Random(seed))
            disturbances = Disturbances(platform, seed, lease, only=only, further=further)
            clients = threading.Thread(target=streaming.execute_all, args=(executions, seconds))
            clients.start()
            disturbances.run(seconds, pause)
            clients.join()
            streaming.settle(SETTLE_LEASES * lease + SETTLE_SECONDS)
        summary = {"seed": seed, "seconds": seconds, "starters": CLIENTS} | streaming.compare()
        summary["disturbances"] = dict(Counter(disturbances.done))
        summary["connections"] = proxy.accepted
        return streaming, summary


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recovery.streaming", description=__doc__)
    parser.add_argument("--executions", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--lease", type=float, default=10, help="LEASE_SECONDS")
    parser.add_argument("--folder", type=Path, help="where the data and the logs are kept")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wfp-streaming-", ignore_cleanup_errors=True) as temporary:
        streaming, summary = run(
            wanted.folder or Path(temporary) / "data",
            executions=wanted.executions,
            seconds=wanted.seconds,
            pause=(2, 8),
            lease=wanted.lease,
            seed=wanted.seed,
        )
    print(json.dumps(summary, indent=2))
    print("\n".join(streaming.failures) or "Nothing is wrong.")
    return 1 if streaming.failures else 0


if __name__ == "__main__":
    sys.exit(main())
