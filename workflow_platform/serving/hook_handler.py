"""Requests to /hooks/ without the middleware: they need no session, login, page or thread."""

from __future__ import annotations

from typing import IO, Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest

from executions.triggers.hooks import large_bodies
from executions.triggers.hooks.requests import RefusedRequest
from executions.triggers.hooks.spooled_bodies import content_of, largest_body, room
from workflow_platform.core.api.problems import AWAY, UNREAD
from workflow_platform.core.requests.request_bodies import MEMORY, RequestBody, Unread

PLAIN_HTTP = (
    "This platform accepts only HTTPS requests. Change the URL to https://, and replace the secret that was sent."
)


class HookHandler(ASGIHandler):
    """Django's handler without middleware: the views check whether a body may be read.

    The signals of a request are not sent: what they would do (close old database connections) concerns threads that
    serve requests, and there are none here.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        """Load no middleware."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond to one request."""
        with content_of(scope) as content:
            request, refusal = self.create_request(scope, content)
            if request is None:
                assert refusal is not None
                await self.send_response(refusal, send)
                return
            body = body_of(request, scope, receive)
            try:
                await _read(request, body, content)
                response = await self.get_response_async(request)
                assert response is not None
                await self.send_response(response, send)
            except RequestAborted:
                return
            finally:
                body.close()


def body_of(request: HttpRequest, scope: Any, receive: Any) -> RequestBody:
    """Return the body of a request, with the limits of where it is kept."""

    async def admit(size: int) -> None:
        body.limit = await _admit(request, size)

    limit = largest_body(request)
    body = RequestBody(scope, receive, admit, limit=limit, room=room if limit is not None else MEMORY)
    return body


async def _read(request: Any, body: RequestBody, content: IO[bytes]) -> None:
    """Read the body into the stream of the request, or note in the scope why it is not read. Raises RequestAborted."""
    try:
        # Not redirected: the sender would continue to send its secret in clear text first, unnoticed.
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            raise Unread(403, PLAIN_HTTP)
        more = True
        while more:
            message = await body.receive()
            if message["type"] == "http.disconnect":
                raise RequestAborted
            content.write(message.get("body", b""))
            more = message.get("more_body", False)
    except Unread as unread:
        request.scope[UNREAD] = unread.refusal
        content.truncate(0)
    content.seek(0)


async def _admit(request: HttpRequest, size: int) -> int | None:
    """Admit bodies that a workflow accepts. Returns the largest; None: without a limit. Raises Unread."""
    try:
        refused = await database_sync_to_async(large_bodies.refused)(request, size)
    except (OperationalError, InterfaceError):
        raise Unread(503, AWAY, size) from None
    if isinstance(refused, RefusedRequest):
        raise Unread(refused.status, refused.detail, size)
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE if refused is None else refused
