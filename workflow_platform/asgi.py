"""The web process: HTTP to Django, WebSockets to the stream consumers."""

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")
django.setup(set_prefix=False)

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 - models are there only now
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import re_path  # noqa: E402

from events.streaming.routing import websocket_urlpatterns  # noqa: E402
from workflow_platform.core.api.problems import NOT_FOUND  # noqa: E402
from workflow_platform.core.requests import hooks_host  # noqa: E402
from workflow_platform.core.requests.request_ids import RequestIds  # noqa: E402
from workflow_platform.serving import hook_responses  # noqa: E402
from workflow_platform.serving.hook_handler import HookHandler  # noqa: E402
from workflow_platform.serving.page_handler import PageHandler  # noqa: E402


class NoSuchSocket(AsyncWebsocketConsumer):
    """Closes WebSockets at unknown paths with 4404; without it each would log an exception."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(4404)


django_application, hook_handler = PageHandler(), HookHandler()
# The consumer authenticates the client itself, repeatedly, and checks the origin only for session cookies.
sockets = URLRouter([*websocket_urlpatterns, re_path("", NoSuchSocket.as_asgi())])


async def http_application(scope: Any, receive: Any, send: Any) -> None:
    """Pass a request to the handler for its path. If webhooks have a separate host (HOOKS_HOST), only they are served
    there."""
    # Daphne takes the root path from a header that any caller can send, and Django removes it from the path, so that
    # this function and Django would see different paths.
    scope = scope | {"root_path": ""}
    is_hook = scope["path"].startswith("/hooks/")
    at_hooks_host = hooks_host.is_requested(scope["headers"])
    if settings.HOOKS_HOST and is_hook != at_hooks_host:
        await hook_responses.respond_sandboxed(_not_here, scope, receive, send)
    elif is_hook:
        await hook_responses.respond_sandboxed(hook_handler, scope, receive, send)
    else:
        await django_application(scope, receive, send)


async def _not_here(scope: Any, receive: Any, send: Any) -> None:
    await hook_responses.send_problem(scope, send, 404, NOT_FOUND)


async def websocket_application(scope: Any, receive: Any, send: Any) -> None:
    """Pass a WebSocket to its consumer. The host of webhooks has none."""
    if hooks_host.is_requested(scope["headers"]):
        await receive()
        await send({"type": "websocket.close", "code": 4404})
    else:
        await sockets(scope, receive, send)


application = RequestIds(ProtocolTypeRouter({"http": http_application, "websocket": websocket_application}))
