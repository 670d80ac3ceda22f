"""Refuses query parameters that no view has read."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework.response import Response

from workflow_platform.core.api import problems
from workflow_platform.core.api.inputs import COMMON, unknown_parameter
from workflow_platform.core.middleware import Middleware

READING = frozenset({"GET", "HEAD"})


class CheckedQueries(Middleware):
    """Replaces the response of an API view that reads no query by a 400 if the request has one: a list that ignores a
    filter shows everything. Views that read their query check it themselves (`QuerySerializer`)."""

    def completed(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response to send."""
        is_read = isinstance(response, Response) and response.status_code < 300 and request.method in READING
        if not is_read or not request.GET or getattr(request, "query_is_checked", False):
            return response
        if getattr(getattr(response, "accepted_renderer", None), "format", "") != "json":
            return response  # the page that shows the API's documentation
        message = unknown_parameter(COMMON)
        errors = [{"field": n, "message": message, "code": "invalid"} for n in sorted(request.GET) if n not in COMMON]
        if not errors:
            return response
        detail = f"{errors[0]['field'][:100]}: {message}"
        return JsonResponse(
            problems.body(400, detail, request.path, errors), status=400, content_type=problems.CONTENT_TYPE
        )
