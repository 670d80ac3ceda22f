"""The Python client against the real platform: whatever happens on the way, each event once and in sequence."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from events.client import Event, EventClient, NoSuchStream, NotAuthenticated, State, Tail, subscription
from tests.conftest import ROOT, Platform
from tests.cutting import CuttingProxy, cutting
from tests.executing import execute, save, until
from tests.folding import read_history
from tests.hostile import hostile
from tests.surroundings import hear_interrupts
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

TURNS = 12
LIMITS = [60, 300, 1_000, 4_000, 10_000, 40_000]
"""Bytes after which the first connections are cut: in the handshake, in the middle of a frame, later."""


@pytest.fixture
def proxy(platform: Platform) -> Iterator[CuttingProxy]:
    with cutting(int(platform.url.rsplit(":", 1)[1])) as found:
        yield found


@pytest.fixture(scope="module")
def dribbling(platform: Platform) -> str:
    """A workflow whose events come little by little: a loop with a wait in it."""
    nodes = [
        node("start", "manual_trigger"),
        node("numbers", "code", code=f"return Array.from({{length: {TURNS}}}, (_, n) => ({{ n }}))"),
        node("each", "loop", batch_size=1),
        node("pause", "wait", seconds=0.05),
    ]
    edges = [edge("start", "numbers"), edge("numbers", "each"), edge("each", "pause", "loop"), edge("pause", "each")]
    return save(platform, nodes, edges)


@pytest.fixture(scope="module")
def ended(platform: Platform, dribbling: str) -> str:
    """An execution that has ended."""
    execution = execute(platform, dribbling)
    until(platform, execution, "completed")
    return execution


def through(proxy: CuttingProxy, token: str) -> EventClient:
    return EventClient(f"http://127.0.0.1:{proxy.port}", token=token)


async def all_of(tail: Tail) -> list[Event]:
    return [event async for event in tail]


async def history(platform: Platform, execution: str) -> list[dict[str, Any]]:
    return await asyncio.to_thread(read_history, platform, execution)


async def test_a_tail_whose_socket_is_cut_at_every_turn_has_each_event_once(
    platform: Platform, proxy: CuttingProxy, dribbling: str
) -> None:
    execution = await asyncio.to_thread(execute, platform, dribbling)
    held: list[Event] = []
    async with asyncio.timeout(240), through(proxy, platform.token) as client:
        async for event in client.tail(f"execution:{execution}"):
            held.append(event)
            if event["type"] == "execution.node_waiting":
                await asyncio.to_thread(proxy.cut)
    assert held == await history(platform, execution)
    assert proxy.accepted > 3
    assert client.state is State.CLOSED


async def test_tails_whose_sockets_break_in_the_middle_of_a_frame_have_each_event_once(
    platform: Platform, proxy: CuttingProxy, dribbling: str, ended: str
) -> None:
    proxy.limits = iter(LIMITS)
    execution = await asyncio.to_thread(execute, platform, dribbling)
    async with asyncio.timeout(240), through(proxy, platform.token) as client:
        tails = [all_of(client.tail(f"execution:{id}")) for id in (ended, execution)]
        assert await asyncio.gather(*tails) == [await history(platform, id) for id in (ended, execution)]
    assert proxy.accepted > len(LIMITS)


async def test_a_client_is_live_again_when_the_server_is_back(
    platform: Platform, proxy: CuttingProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "events.client")
    seen: list[State] = []
    back = False
    async with asyncio.timeout(240), through(proxy, platform.token) as client:
        tail = client.tail("executions", after=0)
        following = asyncio.create_task(all_of(tail))
        async for state in client.states():
            seen.append(state)
            if state is State.RECONNECTING:
                await asyncio.to_thread(wait_until, lambda: len(caplog.records) > 4, "A client that waits longer")
                proxy.resume()
                back = True
            elif state is State.LIVE and back:
                break
            elif state is State.LIVE:
                proxy.stop_listening()
                proxy.cut()
        assert seen == [State.CONNECTING, State.LIVE, State.RECONNECTING, State.LIVE]
    await following


async def test_a_tail_begins_after_its_cursor_and_ends_with_the_stream(platform: Platform, ended: str) -> None:
    stream, kept = f"execution:{ended}", await history(platform, ended)
    async with asyncio.timeout(240), EventClient(platform.url, token=platform.token) as client:
        tail = client.tail(stream)
        assert await all_of(tail) == kept
        assert (tail.cursor, tail.state) == (len(kept), State.CLOSED)
        assert await all_of(client.tail(stream, after=len(kept) - 3)) == kept[-3:]
        assert await all_of(client.tail(stream, after=len(kept))) == []


async def test_a_tail_that_does_not_follow_ends_with_what_there_is(platform: Platform, ended: str) -> None:
    async with asyncio.timeout(240), EventClient(platform.url, token=platform.token) as client:
        feed = await all_of(client.tail("executions", follow=False))
    assert ended in {event["execution_id"] for event in feed}


async def test_a_filtered_tail_has_only_its_types_and_knows_what_it_skipped(
    platform: Platform, proxy: CuttingProxy, dribbling: str
) -> None:
    proxy.limits = iter(LIMITS)
    execution = await asyncio.to_thread(execute, platform, dribbling)
    async with asyncio.timeout(240), through(proxy, platform.token) as client:
        tail = client.tail(f"execution:{execution}", types=["execution.node_*"])
        nodes = await all_of(tail)
        lifecycle = await all_of(client.tail(f"execution:{execution}", level="lifecycle"))
    kept = await history(platform, execution)
    assert nodes == [event for event in kept if event["type"].startswith("execution.node_")]
    assert tail.cursor == len(kept)
    assert [e["type"] for e in lifecycle][:2] == ["execution.queued", "execution.started"]
    assert not any(e["type"].startswith("execution.node_") for e in lifecycle)


async def test_who_joins_near_the_head_loads_the_rest_meanwhile(platform: Platform, ended: str) -> None:
    kept = await history(platform, ended)
    async with asyncio.timeout(240), EventClient(platform.url, token=platform.token) as client:
        tail = client.tail(f"execution:{ended}", after=-5)
        first = await anext(tail)
        assert first == kept[-5]
        feed = client.tail("executions", after=-1)
        await anext(feed)
        assert (await feed.read(0, 10))[0]["sequence"] >= 1


async def test_a_wrong_token_stops_the_client_for_good(platform: Platform, proxy: CuttingProxy, ended: str) -> None:
    async with asyncio.timeout(240), through(proxy, "nobody") as client:
        with pytest.raises(NotAuthenticated):
            await all_of(client.tail(f"execution:{ended}"))
        assert client.state is State.CLOSED
        with pytest.raises(NotAuthenticated):
            await all_of(client.tail("executions"))
    assert proxy.accepted == 1


async def test_a_stream_that_does_not_exist_fails_and_the_others_go_on(platform: Platform, ended: str) -> None:
    async with asyncio.timeout(240), EventClient(platform.url, token=platform.token) as client:
        for stream in (f"execution:{uuid4()}", "nonsense"):
            with pytest.raises(NoSuchStream) as refused:
                await all_of(client.tail(stream))
            assert (refused.value.code, refused.value.stream) == ("not_found", stream)
        assert len(await all_of(client.tail(f"execution:{ended}"))) > TURNS


async def test_an_address_that_does_not_exist_stops_the_client_for_good(platform: Platform) -> None:
    async with asyncio.timeout(240), EventClient(platform.url + "/elsewhere", token=platform.token) as client:
        with pytest.raises(NoSuchStream):
            await all_of(client.tail("executions"))


async def test_a_consumer_that_stops_holds_up_no_other_and_misses_nothing(
    platform: Platform, dribbling: str, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "MAX_BUFFERED", 5)
    monkeypatch.setattr(subscription, "PATIENCE", 0.02)
    execution = await asyncio.to_thread(execute, platform, dribbling)
    async with asyncio.timeout(240), EventClient(platform.url, token=platform.token) as client:
        slow = client.tail(f"execution:{execution}")
        held = [await anext(slow)]
        await asyncio.to_thread(until, platform, execution, "completed")
        assert await all_of(client.tail(f"execution:{ended}")) == await history(platform, ended)
        while not slow._subscription.parked:  # once its buffer has been full for PATIENCE
            await asyncio.sleep(0)
        held += await all_of(slow)
    assert held == await history(platform, execution)


async def test_a_tail_that_is_let_go_frees_its_stream(platform: Platform, ended: str) -> None:
    async with asyncio.timeout(240), EventClient(platform.url, token=platform.token) as client:
        async for _ in client.tail("executions"):
            break
        tail = client.tail("executions")
        await anext(tail)
        with pytest.raises(ValueError, match="already has a tail"):
            await anext(client.tail("executions"))
        await tail.close()
        assert await all_of(client.tail("executions", follow=False))


async def test_a_server_that_talks_nonsense_is_tried_again_until_it_is_itself(
    platform: Platform, proxy: CuttingProxy, ended: str
) -> None:
    garbage = b"\x00" * 4096 + b"\r\n\r\n"
    with hostile(lambda connection, _: connection.sendall(garbage)) as nonsense, cutting(nonsense.port) as way:
        way.host = "127.0.0.2"
        async with asyncio.timeout(240), through(way, platform.token) as client:
            following = asyncio.create_task(all_of(client.tail(f"execution:{ended}")))
            await asyncio.to_thread(wait_until, lambda: nonsense.accepted > 2, "A client that tries again")
            assert client.state is State.CONNECTING
            way.host, way.target = "127.0.0.1", proxy.port
            assert len(await following) > TURNS


def surroundings(platform: Platform, token: str = "") -> dict[str, str]:
    """Return an environment that knows nothing of the platform but its address and a token."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return environment | {"WORKFLOW_PLATFORM_TOKEN": token or platform.token, "WORKFLOW_PLATFORM_URL": platform.url}


def command(platform: Platform, folder: Path, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "events.client", *words]
    environment = surroundings(platform, token)
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_the_command_prints_one_envelope_a_line(platform: Platform, ended: str, tmp_path: Path) -> None:
    kept = read_history(platform, ended)
    done = command(platform, tmp_path, "tail", f"execution:{ended}", "--after", "2", "--until-end")
    assert (done.returncode, [json.loads(line) for line in done.stdout.splitlines()]) == (0, kept[2:])
    assert done.stderr.split() == ["connecting", "live", "closed"]
    done = command(platform, tmp_path, "history", "executions")
    assert done.returncode == 0
    assert ended in done.stdout


def test_the_command_says_why_it_is_refused_and_keeps_the_token(platform: Platform, tmp_path: Path) -> None:
    done = command(platform, tmp_path, "tail", "executions", token="wrong-secret")
    assert (done.returncode, done.stdout) == (1, "")
    assert "NotAuthenticated" in done.stderr
    assert "wrong-secret" not in done.stderr
    assert command(platform, tmp_path, "tail", "executions", "--url", f"{platform.url}?token=x").returncode == 1


def test_the_command_follows_until_it_is_interrupted(platform: Platform, ended: str, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "events.client", "tail", f"execution:{ended}", "executions"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    pipes["preexec_fn"] = hear_interrupts
    with subprocess.Popen(line, cwd=tmp_path, env=surroundings(platform), **pipes) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["sequence"] == 1
        following.send_signal(signal.SIGINT)
        try:
            _, said = following.communicate()
        finally:
            following.kill()
    assert (following.returncode, said.split()[-1]) == (130, "closed")
    assert "Traceback" not in said
