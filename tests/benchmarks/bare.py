"""The baseline of the streaming figures: a consumer that hands group messages on, and nothing else."""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")
get_asgi_application()

import orjson  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402


class Bare(AsyncWebsocketConsumer):
    """Joins the group that it is told of; no login, no history, no order."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        stream = orjson.loads(text_data or "")["stream"]
        await self.channel_layer.group_add(stream.replace(":", "."), self.channel_name)
        await self.send(text_data=orjson.dumps({"type": "live", "stream": stream}).decode())

    async def stream_events(self, message: dict[str, Any]) -> None:
        events = ",".join(message["events"])
        await self.send(text_data=f'{{"type":"events","stream":"{message["stream"]}","events":[{events}]}}')


application = ProtocolTypeRouter({"websocket": Bare.as_asgi()})
