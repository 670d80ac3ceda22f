"""The web process: HTTP to Django, WebSockets to the stream consumers."""

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")
django.setup(set_prefix=False)

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 - models are there only now
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402

from events.routing import websocket_urlpatterns  # noqa: E402
from workflow_platform.hook_handler import HookHandler  # noqa: E402
from workflow_platform.page_handler import PageHandler  # noqa: E402


class NoSuchSocket(AsyncWebsocketConsumer):
    """Answers every other address: without it, each would be an exception in the log."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(4404)


django_application, hook_handler = PageHandler(), HookHandler()


async def http_application(scope: Any, receive: Any, send: Any) -> None:
    """Hand a request to the handler that its path asks for."""
    handler = hook_handler if scope["path"].startswith("/hooks/") else django_application
    await handler(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": http_application,
        # The consumer asks who it is itself: again while the client stays, and the origin only where a cookie speaks.
        "websocket": URLRouter([*websocket_urlpatterns, re_path("", NoSuchSocket.as_asgi())]),
    }
)
