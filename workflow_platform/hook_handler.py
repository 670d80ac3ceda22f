"""Requests to /hooks/ past the middleware: they need no session, no login and no page, and no thread of their own."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response


class HookHandler(ASGIHandler):
    """Django's handler without middleware: the views look themselves whether a body may be read, and keep note of it.

    The signals of a request are not sent: what they would do (close old database connections) concerns threads that
    serve requests, and there are none here.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain around the views: nothing."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        try:
            request, refusal = self.create_request(scope, body)
            response = refusal if request is None else await self.get_response_async(request)
            assert response is not None
            await self.send_response(response, send)
        finally:
            body.close()
