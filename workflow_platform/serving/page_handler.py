"""Pages and the API: Django's handler, with limits on what it reads of a request before authentication."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from channels.db import database_sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import InterfaceError, OperationalError

from events.streaming.access import user_of
from events.streaming.viewer import Login
from workflow_platform.core.api.problems import AWAY, UNREAD
from workflow_platform.core.requests.request_bodies import SMALL_BODY_BYTES, RequestBody, Unread


class PageHandler(ASGIHandler):
    """Reads a large body only from an authenticated caller. BodyLimitMiddleware returns the errors."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond to one request. Django reads the whole body before it does anything else."""
        body = RequestBody(scope, receive, partial(_admit, scope))
        try:
            await super().handle(scope, body.receive, send)
        except Unread as unread:
            await super().handle({**scope, UNREAD: unread.refusal}, _Nothing().receive, send)
        finally:
            body.close()


class _Nothing:
    """An empty body."""

    _delivered = False

    async def receive(self) -> dict[str, Any]:
        """Return the empty body once; later calls wait."""
        if self._delivered:
            await asyncio.get_running_loop().create_future()
        self._delivered = True
        return {"type": "http.request", "body": b"", "more_body": False}


async def _admit(scope: Any, size: int) -> None:
    """Admit authenticated callers. Raises Unread."""
    try:
        user = await database_sync_to_async(user_of)(Login.of(dict(scope["headers"])))
    except (OperationalError, InterfaceError):
        raise Unread(503, AWAY, size) from None
    if user is None:
        message = f"Only a logged-in caller may send more than {SMALL_BODY_BYTES} bytes."
        raise Unread(401 if scope["path"].startswith("/api/") else 413, message, size)
