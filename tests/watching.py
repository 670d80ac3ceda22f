"""A WebSocket client that watches streams over one connection, cuts it as often as told, and keeps its cursors."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from websockets.asyncio.client import connect

Events = list[dict[str, Any]]


async def watch_all(
    ws_url: str,
    token: str,
    streams: Sequence[str],
    *,
    cut: float = 0.0,
    seed: int = 0,
    on_live: Callable[[dict[str, int]], None] = lambda _: None,
) -> dict[str, Events]:
    """Return the events of each stream up to its end. With probability `cut`, a frame is the connection's last.

    `on_live` is called once, when every stream has been live, with the sequence at which each first was.
    """
    chance = random.Random(seed)
    held: dict[str, Events] = {stream: [] for stream in streams}
    open_ = set(streams)
    joined: dict[str, int] = {}
    while open_:
        async with connect(ws_url, additional_headers={"Authorization": f"Bearer {token}"}, max_size=None) as socket:
            for stream in sorted(open_):
                after = held[stream][-1]["sequence"] if held[stream] else 0
                await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": after}))
            while open_:
                frame = json.loads(await socket.recv())
                if frame["type"] == "events":
                    held[frame["stream"]] += frame["events"]
                    if chance.random() < cut:
                        break
                elif frame["type"] == "end":
                    open_.remove(frame["stream"])
                elif frame["type"] == "live":
                    if frame["stream"] not in joined:
                        joined[frame["stream"]] = frame["sequence"]
                        if len(joined) == len(streams):
                            on_live(joined)
                else:  # degraded: hints are late, as on a machine that is busy; events come all the same
                    assert frame["type"] in {"subscribed", "degraded"}, frame
    return held


async def watch(ws_url: str, token: str, stream: str, *, cut: float = 0.0) -> Events:
    """Return the events of one stream up to its end."""
    return (await watch_all(ws_url, token, [stream], cut=cut))[stream]
