"""A WebSocket client that watches one stream, cuts its socket as often as told, and keeps its cursor."""

from __future__ import annotations

import json
import random
from typing import Any

from websockets.asyncio.client import connect


async def watch(ws_url: str, token: str, stream: str, *, after: int = 0, cut: float = 0.0) -> list[dict[str, Any]]:
    """Return the events of a stream up to its end. With probability `cut`, each frame is the connection's last."""
    events: list[dict[str, Any]] = []
    while True:
        cursor = events[-1]["sequence"] if events else after
        async with connect(ws_url, additional_headers={"Authorization": f"Bearer {token}"}, max_size=None) as socket:
            await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": cursor}))
            async for text in socket:
                frame = json.loads(text)
                if frame["type"] == "events":
                    events += frame["events"]
                    if random.random() < cut:
                        break
                elif frame["type"] == "end":
                    return events
                else:
                    assert frame["type"] in {"subscribed", "live"}, frame
