"""Errors as RFC 9457 problem details, with the invalid fields."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.views import defaults
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from workflow_platform.core.middleware import Middleware
from workflow_platform.core.postgresql.server import may_have_changed
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
NOT_FOUND = "This does not exist, or you may not see it."
AWAY = "The database did not respond in time. Try again."
REDIS_AWAY = "Redis did not respond. Try again."
UNKNOWN = (
    "The database stopped responding before it confirmed the change, which may or may not have been made. Check "
    "before you send the request again, or send it again with the same Idempotency-Key."
)
UNSTORABLE = "A value of the request cannot be stored: a number is too large, or a text contains a NUL character."
RETRY_AFTER = "2"
_AWAY = (OperationalError, InterfaceError, RedisError)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
UNREAD = "platform.unread_body"
"""The key in the scope of a request whose body was not read: (status, detail, size in bytes if it is known)."""


class Problem(exceptions.APIException):
    """An error with a status, a sentence, the fields that caused it, and members of its own."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, Any]] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status_code = status
        self.errors = errors
        self.members = members


def body(status: int, detail: str, instance: str, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return the members of a problem."""
    problem: dict[str, Any] = {
        "type": "about:blank",  # for which RFC 9457 requires the phrase of the status as the title
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
    }
    return problem | ({"errors": errors} if errors else {})


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn the exceptions of a DRF view into a problem; None for a bug, to which `handler500` responds."""
    problem = (
        Problem(503, _away(error, context["request"].method)) if isinstance(error, _AWAY) else _as_api_exception(error)
    )
    if problem is None:
        return None
    response = drf_exception_handler(problem, context)
    if response is None:
        return None
    errors = getattr(problem, "errors", None)
    if isinstance(problem, exceptions.ValidationError):
        errors = list(_flatten(problem.detail, ""))
        detail = _sentence(errors)
    elif isinstance(problem.detail, dict):
        detail = str(problem.detail.get("detail", problem.default_detail))
    else:
        detail = str(problem.detail)
    members = getattr(problem, "members", {})
    response.data = body(response.status_code, detail, context["request"].path, errors) | members
    response.content_type = CONTENT_TYPE
    if isinstance(error, (DataError, *_AWAY)):
        request = context["request"]
        fields = {"method": request.method, "path": request.path, "status_code": response.status_code}
        level = logging.ERROR if isinstance(error, DataError) else logging.WARNING  # an outage is logged already
        logger.log(level, "request failed: %s; answered %d", error, response.status_code, extra=fields)
    if isinstance(error, _AWAY):
        response["Retry-After"] = RETRY_AFTER
    if isinstance(error, SandboxUnavailable):
        response["Retry-After"] = str(error.retry_after)
    return response


def _as_api_exception(error: Exception) -> exceptions.APIException | None:
    """Return DRF's counterpart of `error`; None if there is none."""
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, RequestDataTooBig):
        return Problem(413, too_large())
    if isinstance(error, SandboxUnavailable):
        return Problem(error.status, str(error))
    if isinstance(error, DataError):  # not rejected by earlier checks
        return Problem(400, UNSTORABLE)
    if isinstance(error, Http404):
        return exceptions.NotFound(NOT_FOUND)
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(str(error) or None)
    if isinstance(error, ModelValidationError):  # e.g. a filter or cursor that is not a UUID
        return exceptions.ValidationError(getattr(error, "message_dict", error.messages))
    return None


def _away(error: BaseException, method: str | None) -> str:
    """Return the detail for a server that did not respond."""
    if isinstance(error, RedisError):
        return REDIS_AWAY
    return UNKNOWN if method not in SAFE_METHODS and may_have_changed(error) else AWAY


def _sentence(errors: list[dict[str, Any]]) -> str:
    messages = [f"{e['field']}: {e['message']}" if e["field"] else e["message"] for e in errors[:3]]
    more = [f"and {len(errors) - 3} more"] if len(errors) > 3 else []
    return "; ".join(messages + more)


def _flatten(detail: Any, path: str) -> Iterator[dict[str, Any]]:
    """Yield `{field, message, code}` for each message in a serializer's errors; `nodes.0.name` is a dotted path."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flatten(inner, f"{path}.{name}".strip("."))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _flatten(inner, f"{path}.{index}".strip(".") if nested else path)
    else:
        yield {"field": path, "message": str(detail), "code": getattr(detail, "code", "invalid")}


def json_problem(request: HttpRequest, status: int, detail: str) -> JsonResponse:
    """Return a problem response outside of DRF."""
    return JsonResponse(body(status, detail, request.path), status=status, content_type=CONTENT_TYPE)


# --- What Django itself answers: problems to programs, pages to people -----------------------------------------------


def _for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/hooks/"))


def handler400(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Respond to a request that Django rejects."""
    if isinstance(exception, RequestDataTooBig):
        return _refuse_body(request, 413, too_large())
    if _for_programs(request):
        return json_problem(request, 400, "The request is malformed.")
    return defaults.bad_request(request, exception)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Respond to a request that is not allowed."""
    if _for_programs(request):
        return json_problem(request, 403, str(exception) or "You do not have permission to do this.")
    return defaults.permission_denied(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Respond to a form without a valid CSRF token. The log has the reason."""
    if _for_programs(request):
        return json_problem(request, 403, "The CSRF token is missing or wrong. Reload the page and try again.")
    return render(request, "403_csrf.html", status=403)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Respond to a request for an unknown URL. Does not list URL patterns, as Django's message does."""
    if _for_programs(request):
        return json_problem(request, 404, NOT_FOUND)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponseBase:
    """Respond to an unexpected error or a lost database. The details are in the log only."""
    error = sys.exc_info()[1]
    if isinstance(error, _AWAY):
        return _unavailable(request, _away(error, request.method))
    if _for_programs(request):
        return json_problem(request, 500, "The server failed to process this request. See its log for the reason.")
    return defaults.server_error(request)


def _unavailable(request: HttpRequest, detail: str) -> HttpResponse:
    if _for_programs(request):
        answer: HttpResponse = json_problem(request, 503, detail)
    else:
        page = loader.get_template("503.html").render({"detail": detail})
        answer = HttpResponse(page, status=503)
    answer["Retry-After"] = RETRY_AFTER
    return answer


# --- Bodies ----------------------------------------------------------------------------------------------------------


def too_large(size: int | None = None, limit: int | None = None) -> str:
    """Return the sentence that refuses a body; `size` is None where it is not known."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if limit is None else limit
    if size:
        return f"The body has {size} bytes; at most {limit} are allowed."
    return f"The body is too large; at most {limit} bytes are allowed."


def _refuse_body(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    if _for_programs(request):
        answer: HttpResponse = json_problem(request, status, detail)
    else:
        answer = HttpResponse(detail, status=status, content_type="text/plain; charset=utf-8")
    if status == 401:
        answer["WWW-Authenticate"] = 'Bearer realm="workflow-platform"'
    elif status == 503:
        answer["Retry-After"] = RETRY_AFTER
    return answer


class BodyLimitMiddleware(Middleware):
    """Rejects a body that is too large before it is read."""

    def refusal(self, request: HttpRequest) -> HttpResponse | None:
        """Return the response that rejects the request; None to pass it on."""
        unfit = unfit_body(request)
        if unfit is None:
            return None
        status, detail, _ = unfit
        return json_problem(request, status, detail) if status == 400 else _refuse_body(request, status, detail)


def unfit_body(request: HttpRequest, limit: int | None = None) -> tuple[int, str, int] | None:
    """Return status, detail and size if the body of a request was not or must not be read, by its declared length. For
    a body without a declared length (chunked), the received length is used and set, since DRF would take the body for
    empty. `limit` in bytes, by default that of bodies in memory."""
    unread: tuple[int, str, int] | None = getattr(request, "scope", {}).get(UNREAD)
    if unread is not None:
        return unread
    size = _body_size(request)
    if size is None:
        return 400, "Content-Length is not a number.", 0
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if limit is None else limit
    return (413, too_large(size, limit), size) if limit is not None and size > limit else None


def _body_size(request: HttpRequest) -> int | None:
    meta: Mapping[str, Any] = request.META
    declared = str(meta.get("CONTENT_LENGTH") or "")
    if declared:
        return int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 20 else None
    stream = getattr(request, "_stream", None)
    if stream is None or not hasattr(stream, "seekable") or not stream.seekable():
        return 0
    size: int = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if size:
        request.META["CONTENT_LENGTH"] = str(size)
    return size
