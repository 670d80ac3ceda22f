"""`/api/asyncapi/`: the AsyncAPI document."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from events.catalogue.asyncapi import as_yaml
from workflow_platform.core.accounts.callers import caller_of
from workflow_platform.core.api.problems import json_problem


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Show the document, to the same callers as the OpenAPI schema."""
    if not settings.API_DOCS_PUBLIC and caller_of(request) is None:
        answer: HttpResponse = json_problem(request, 401, "Authentication credentials were not provided.")
        answer["WWW-Authenticate"] = 'Bearer realm="workflow-platform"'
        return answer
    return HttpResponse(as_yaml(), content_type="application/yaml; charset=utf-8")
