"""Refuses URLs with a NUL character: PostgreSQL cannot store it, and every query with it would fail."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from workflow_platform.core.api.problems import json_problem
from workflow_platform.core.middleware import Middleware

NUL = "The URL contains a NUL character (%00), which is not allowed. Remove it."


class AddressCheckMiddleware(Middleware):
    """Refuses a path with a NUL character, and the query of a page with one, with 400. The API names the parameter;
    `/hooks/` escapes it."""

    def refusal(self, request: HttpRequest) -> HttpResponse | None:
        """Return the response that refuses the request; None to pass it on."""
        if request.path.startswith("/hooks/"):
            return None
        is_api = request.path.startswith("/api/")
        if "\0" not in request.path and (is_api or "%00" not in request.META.get("QUERY_STRING", "")):
            return None
        if is_api:
            return json_problem(request, 400, NUL)
        return HttpResponse(NUL, status=400, content_type="text/plain; charset=utf-8")
