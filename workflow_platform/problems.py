"""Errors as RFC 9457 problem details: what is wrong, and in which field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    429: "Too many requests",
    500: "Internal error",
}
CONTENT_TYPE = "application/problem+json"


class Problem(exceptions.APIException):
    """An error with a status, a sentence, and the fields that it is about."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail)
        self.status_code = status
        self.errors = errors


def body(status: int, detail: str, instance: str, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return the members of a problem."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "instance": instance,
    }
    return problem | ({"errors": errors} if errors else {})


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn whatever a DRF view raises into a problem."""
    if isinstance(error, RequestDataTooBig):
        error = Problem(413, f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.")
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is no such thing here, or it is not yours to see.")
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied(str(error) or None)
    response = drf_exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    errors = getattr(error, "errors", None)
    if isinstance(error, exceptions.ValidationError):
        errors = list(_flatten(error.detail, ""))
        detail = "; ".join(f"{e['field']}: {e['message']}" if e["field"] else e["message"] for e in errors[:3])
    else:
        detail = str(error.detail)
    request = context["request"]
    response.data = body(response.status_code, detail, request.path, errors)
    response.content_type = CONTENT_TYPE
    return response


def _flatten(detail: Any, path: str) -> Any:
    if isinstance(detail, dict):
        for key, inner in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flatten(inner, f"{path}.{name}".strip("."))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _flatten(inner, f"{path}[{index}]" if isinstance(inner, dict | list) else path)
    else:
        yield {"field": path, "message": str(detail)}


def json_problem(request: HttpRequest, status: int, detail: str) -> JsonResponse:
    """Return a problem from outside DRF."""
    return JsonResponse(body(status, detail, request.path), status=status, content_type=CONTENT_TYPE)


class BodyLimitMiddleware:
    """Refuses a body that is too large by its declared length, before anything reads it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        declared = request.META.get("CONTENT_LENGTH") or "0"
        if declared.isdigit() and int(declared) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            return json_problem(request, 413, f"The body has {declared} bytes; at most {limit} are allowed.")
        return self.get_response(request)
