"""Redis behind Sentinels, and live hints through a Redis Cluster: real servers, and a master that stops answering."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.backoff import NoBackoff
from redis.retry import Retry
from websockets.asyncio.client import connect

from events.streaming import publisher
from tests.sites import Process, Site, site
from tests.workflows import edge, node
from workflow_platform.checks import check_environment
from workflow_platform.core.redis_server import RedisServer, parse_sentinels
from workflow_platform.installation.embedded import free_port, redis_binary, wait_until

MASTER, PASSWORD, SENTINEL_PASSWORD = "flows", "of-the-master", "of-the-sentinel"


@dataclass
class Watched:
    """A master and a replica, and the Sentinel that watches them."""

    master: Process
    sentinel_port: int

    @property
    def settings(self) -> dict[str, str]:
        return {
            "REDIS_URL": f"redis://:{PASSWORD}@nowhere.example/1",
            "REDIS_SENTINELS": f"127.0.0.1:{free_port()},127.0.0.1:{self.sentinel_port}",  # the first one is away
            "REDIS_SENTINEL_MASTER": MASTER,
            "REDIS_SENTINEL_PASSWORD": SENTINEL_PASSWORD,
        }

    @property
    def server(self) -> RedisServer:
        said = self.settings
        sentinels = parse_sentinels(said["REDIS_SENTINELS"].split(","))
        return RedisServer(said["REDIS_URL"], sentinels, MASTER, SENTINEL_PASSWORD)


@contextmanager
def running(folder: Path, port: int, configuration: str, *words: str) -> Iterator[Process]:
    file = folder / f"{port}.conf"
    file.write_text(f'bind 127.0.0.1\nport {port}\ndir "{folder}"\nsave ""\n{configuration}')
    process = Process([redis_binary(), str(file), *words], folder / f"{port}.log", {}, lambda: answers(port))
    try:
        process.start()
        yield process
    finally:
        process.clear_away()


def answers(port: int) -> bool:
    try:
        with redis.Redis(port=port, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            client.ping()
    except redis.AuthenticationError:
        return True
    except redis.RedisError:
        return False
    return True


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    first, second, sentinel = free_port(), free_port(), free_port()
    secret = f"requirepass {PASSWORD}\nmasterauth {PASSWORD}\nrepl-diskless-sync-delay 0\n"
    watches = (
        f"requirepass {SENTINEL_PASSWORD}\nsentinel monitor {MASTER} 127.0.0.1 {first} 1\n"
        f"sentinel auth-pass {MASTER} {PASSWORD}\nsentinel down-after-milliseconds {MASTER} 700\n"
        f"sentinel failover-timeout {MASTER} 4000\n"
    )
    with ExitStack() as stack:
        master = stack.enter_context(running(tmp_path, first, secret))
        stack.enter_context(running(tmp_path, second, f"{secret}replicaof 127.0.0.1 {first}\n"))
        replica = stack.enter_context(redis.Redis(port=second, password=PASSWORD))
        # First: a Sentinel looks for replicas every ten seconds only.
        wait_until(lambda: replica.info("replication")["master_link_status"] == "up", "The replica")
        stack.enter_context(running(tmp_path, sentinel, watches, "--sentinel"))
        yield Watched(master, sentinel)


def start(site: Site, workflow: str) -> str:
    return str(site.request("POST", f"/api/workflows/{workflow}/execute/", json={"wait": 20}).json()["id"])


async def test_a_platform_behind_sentinels_lives_on_when_its_master_hangs(
    prepared: str, watched: Watched, tmp_path: Path
) -> None:
    nodes = [node("start", "manual_trigger"), node("end", "no_op")]
    with site(prepared, tmp_path, **watched.settings) as ours:
        ours.web()
        ours.wait_until_ready()  # as health sees Redis
        definition = {"name": "Short", "nodes": nodes, "edges": [edge("start", "end")]}
        workflow = ours.request("POST", "/api/workflows/", json=definition).json()["id"]
        async with connect(ours.ws_url, additional_headers=ours.headers) as socket, asyncio.timeout(240):
            await socket.send(json.dumps({"type": "subscribe", "stream": "executions", "after": 0}))
            await until(socket, "live")
            first = await asyncio.to_thread(start, ours, workflow)
            seen = await until_completed(socket, first)
            watched.master.send(signal.SIGSTOP)
            await until(socket, "degraded")
            seen += await until(socket, "live")  # over the new master, while the old one holds its connections still
            watched.master.kill()  # and lets go of the worker
            second = await asyncio.to_thread(start, ours, workflow)
            seen += await until_completed(socket, second)
        assert [event["sequence"] for event in seen] == list(range(1, len(seen) + 1))
        wait_until(lambda: ours.request("GET", "/readyz").status_code == 200, "Readiness")
        with watched.server.client() as client:
            assert client.info("replication")["role"] == "master"
            assert client.connection_pool.connection_kwargs["db"] == 1


async def until(socket: Any, kind: str) -> list[dict[str, Any]]:
    """Return the events that come before a frame of a kind."""
    events: list[dict[str, Any]] = []
    while (frame := json.loads(await socket.recv()))["type"] != kind:
        events += frame.get("events", [])
    return events


async def until_completed(socket: Any, execution: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while not events or (events[-1]["execution_id"], events[-1]["type"]) != (execution, "execution.completed"):
        events += json.loads(await socket.recv()).get("events", [])
    return events


# --- a cluster -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[str]]:
    """Yield the URLs of two masters that share the slots."""
    ports = [free_port_of_a_node(), free_port_of_a_node()]
    with ExitStack() as stack:
        for port, slots in zip(ports, [range(8192), range(8192, 16384)], strict=True):
            made = f"cluster-enabled yes\ncluster-config-file {port}.nodes\n"
            stack.enter_context(running(tmp_path, port, made))
            node = stack.enter_context(redis.Redis(port=port))
            node.execute_command("CLUSTER", "ADDSLOTS", *slots)
        with redis.Redis(port=ports[0]) as first:
            first.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[1])
            wait_until(lambda: b"cluster_known_nodes:2" in told(first), "The cluster")
            wait_until(lambda: b"cluster_state:ok" in told(first), "The cluster")
        yield [f"redis://127.0.0.1:{port}" for port in ports]


def free_port_of_a_node() -> int:
    """Return a port that leaves room for the one of the cluster's own talk, 10,000 above."""
    while (port := free_port()) > 55_535:
        pass
    return port


def told(node: redis.Redis) -> bytes:
    return bytes(node.execute_command("CLUSTER", "INFO", NEVER_DECODE=True))


async def test_hints_cross_a_cluster_from_any_node_to_any_other(cluster: list[str], settings: Any) -> None:
    settings.REDIS_PUBSUB_URL = cluster[0]
    layer = RedisPubSubChannelLayer(hosts=[cluster[1]], prefix="wfp")
    channel = await layer.new_channel()
    await layer.group_add("access", channel)
    with publisher._publisher.replaced():  # the publisher of this process is connected to the first Redis
        publisher.send_messages([("access", {"type": "access.changed", "user": 1})])
        assert await asyncio.wait_for(layer.receive(channel), 240) == {"type": "access.changed", "user": 1}
    await layer.flush()


# --- settings --------------------------------------------------------------------------------------------------------


def test_sentinels_are_read_and_wrong_ones_named(settings: Any) -> None:
    assert parse_sentinels(["a.example:1", "b.example", "[::1]:2"]) == (
        ("a.example", 1),
        ("b.example", 26379),
        ("::1", 2),
    )
    for wrong in (":1", "a.example:port", "redis://a.example", "user@a.example"):
        with pytest.raises(ValueError, match=r"\S"):
            parse_sentinels([wrong])
    settings.REDIS_SENTINELS = (("a.example", 1),)
    settings.REDIS_SENTINEL_MASTER = ""
    settings.REDIS_PUBSUB_URL = "a.example"
    said = " ".join(str(error.msg) for error in check_environment(None))
    assert "REDIS_SENTINEL_MASTER" in said
    assert "REDIS_PUBSUB_URL" in said
