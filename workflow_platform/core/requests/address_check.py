"""Refuses addresses that hold a NUL character: PostgreSQL has none, and every look-up with it would fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from workflow_platform.core.api.problems import json_problem

NUL = "The address holds a NUL character (%00), which is not allowed."


class AddressCheckMiddleware:
    """Answers 400 to a path with a NUL character, and to a query of a page with one. The API names the parameter;
    `/hooks/` stores its own in another way."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer, or pass the request on; asynchronously, if what follows is."""
        refusal = self._refusal(request)
        if iscoroutinefunction(self):
            return self._answer(request, refusal)
        return refusal or self.get_response(request)

    async def _answer(self, request: HttpRequest, refusal: HttpResponse | None) -> HttpResponseBase:
        answer: HttpResponseBase = refusal or await self.get_response(request)
        return answer

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if request.path.startswith("/hooks/"):
            return None
        is_api = request.path.startswith("/api/")
        if "\0" not in request.path and (is_api or "%00" not in request.META.get("QUERY_STRING", "")):
            return None
        if is_api:
            return json_problem(request, 400, NUL)
        return HttpResponse(NUL, status=400, content_type="text/plain; charset=utf-8")
