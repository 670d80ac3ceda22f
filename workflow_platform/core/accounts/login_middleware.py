"""What a form cannot add to the answer to a login: a status with Retry-After, and the cookie of the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from workflow_platform.core.accounts import known_devices
from workflow_platform.core.accounts.login_limit import REFUSED
from workflow_platform.core.accounts.passwords import LOGGED_IN

REFUSAL = "login_refusal"
"""The attribute of a request whose form shows a refusal (`login_limit.REFUSED`)."""


class LoginMiddleware:
    """Completes answers to logins: of the pages, of the admin and of the API."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Pass the request on and complete the answer; asynchronously, if what follows is."""
        if iscoroutinefunction(self):
            return self._answer(request)
        return _completed(request, self.get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        return _completed(request, await self.get_response(request))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer where a page other than a login meets the limits, such as a change of password in the admin."""
        if not isinstance(exception, REFUSED):
            return None
        setattr(request, REFUSAL, exception)
        return HttpResponse(str(exception.detail), content_type="text/plain; charset=utf-8")


def _completed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    refusal = getattr(request, REFUSAL, None)
    if refusal is not None:
        response.status_code = refusal.status_code
        response["Retry-After"] = str(refusal.wait)
    user = getattr(request, LOGGED_IN, None)
    if user is not None:
        known_devices.remember(request, response, user)
    return response
