"""One id for each HTTP request and WebSocket: on each of its log lines, and in its response as X-Request-ID.

A caller, or a proxy in front, may send the id. It is used only if it is well-formed: it is written to logs and sent
back, so it must not hold spaces, control characters or whole documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from workflow_platform.core.identifiers import uuid7_text
from workflow_platform.core.logs import log_context

HEADER = b"X-Request-ID"
REQUEST_ID = "platform.request_id"
"""The key of the id in the scope, if the server has created one."""
WELL_FORMED = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@~-]{0,127}")
"""1 to 128 characters, which allows UUIDs, ULIDs, trace ids and the ids of load balancers."""
_STARTS = {"http.response.start", "websocket.accept"}


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id in the headers, or a new one if they have none, a malformed one, or several."""
    named = [value for name, value in headers if name.lower() == HEADER.lower()]
    if len(named) == 1 and WELL_FORMED.fullmatch(named[0]):
        return named[0].decode("ascii")
    return uuid7_text()


class RequestIds:
    """ASGI middleware: runs an application in the log context of its request, and names the id in the response."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._application(scope, receive, send)
            return
        request_id = scope.get(REQUEST_ID) or request_id_of(scope["headers"])

        async def send_with_id(message: Any) -> None:
            if message["type"] in _STARTS:
                message = message | {"headers": _with_id(message.get("headers", ()), request_id)}
            await send(message)

        with log_context(request_id=request_id):
            await self._application(scope, receive, send_with_id)


def _with_id(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    kept = list(headers)
    if any(name.lower() == HEADER.lower() for name, _ in kept):
        return kept  # a workflow sets the header in the response to its webhook
    return [*kept, (HEADER, request_id.encode())]
