"""The base of our middleware: one class for synchronous and asynchronous chains.

Django's MiddlewareMixin runs each hook in a thread when the chain is asynchronous. These hooks do no I/O, so they need
no thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class Middleware:
    """Handles each request before the view, and each response after it. Subclasses override either hook."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response; a coroutine if what follows is asynchronous."""
        if iscoroutinefunction(self):
            return self._call_async(request)
        response = self.refusal(request)
        return self.completed(request, self.get_response(request) if response is None else response)

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        response = self.refusal(request)
        return self.completed(request, await self.get_response(request) if response is None else response)

    def refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return the response that rejects the request; None to pass it on."""
        return None

    def completed(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response to send."""
        return response
