"""Compresses pages and JSON.

Against guesses from the length of a response (BREACH), Django adds up to 100 random bytes and masks CSRF tokens anew in
each page. Responses with secrets are not compressed: those to unsafe methods (tokens, links of invitations), and those
that a view marks `no-store`. Nor are those with an ETag, which compression would make weak and useless for If-Match.
"""

from __future__ import annotations

from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from workflow_platform.core.middleware import Middleware

TYPES = ("text/html", "application/json", "application/problem+json", "application/vnd.oai.openapi")
AT_LEAST = 1_000
"""Bytes: below, a response fits into one packet anyway."""
SECRET = "no-store"  # noqa: S105 - the Cache-Control of a view whose response holds secrets
SAFE = frozenset({"GET", "HEAD"})


class CompressionMiddleware(Middleware):
    """Compresses with Django's GZipMiddleware, in a thread if the chain is asynchronous. Streams and files pass."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._gzip = GZipMiddleware(_no_response)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response; a coroutine if what follows is asynchronous."""
        if iscoroutinefunction(self):
            return self._respond(request)
        response = self.get_response(request)
        return self._compressed(request, response) if _is_due(request, response) else response

    async def _respond(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        if not _is_due(request, response):
            return response
        return await sync_to_async(self._compressed)(request, response)

    def _compressed(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return self._gzip.process_response(request, response)


def _is_due(request: HttpRequest, response: HttpResponseBase) -> bool:
    if request.method not in SAFE or not isinstance(response, HttpResponse) or len(response.content) < AT_LEAST:
        return False
    if response.has_header("ETag") or response.get("Cache-Control") == SECRET:
        return False
    return response.get("Content-Type", "").startswith(TYPES)


def _no_response(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError("only `process_response` is used")
