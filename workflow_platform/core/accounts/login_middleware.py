"""Adds to the response of a login what a form cannot set: a status with Retry-After, and the cookie of the device."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from workflow_platform.core.accounts import known_devices
from workflow_platform.core.accounts.login_limit import REFUSED
from workflow_platform.core.accounts.passwords import LOGGED_IN
from workflow_platform.core.middleware import Middleware

REFUSAL = "login_refusal"
"""The attribute of a request whose form shows a refusal (`login_limit.REFUSED`)."""


class LoginMiddleware(Middleware):
    """Completes the responses to logins: of the pages, of the admin and of the API."""

    def completed(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response with the status of a refused login, or the cookie of the device after a login."""
        refusal = getattr(request, REFUSAL, None)
        if refusal is not None:
            response.status_code = refusal.status_code
            response["Retry-After"] = str(refusal.wait)
        user = getattr(request, LOGGED_IN, None)
        if user is not None:
            known_devices.remember(request, response, user)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Respond with a text if another page reaches the limits, such as a password change in the admin."""
        if not isinstance(exception, REFUSED):
            return None
        setattr(request, REFUSAL, exception)
        return HttpResponse(str(exception.detail), content_type="text/plain; charset=utf-8")
