"""Filters of deliveries, attempts and inbound requests. They read no table to list their choices."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from webhooks.models import Endpoint
from workflow_platform.core.accounts.admin_lists import ObjectFilter

ERROR_CLASSES = (
    "refused", "dns", "connect", "tls", "timeout", "reset", "protocol", "status", "script", "lost", "internal",
)  # fmt: skip
_FREQUENT = (200, 201, 202, 204, 400, 401, 403, 404, 408, 409, 410, 413, 422, 429, 500, 502, 503, 504)
_CLASSES = {"2xx": (200, 300), "3xx": (300, 400), "4xx": (400, 500), "5xx": (500, 600)}
_NONE = "none"


class EndpointFilter(ObjectFilter):
    """By endpoint."""

    title = "endpoint"
    parameter_name = "endpoint"
    field = "endpoint"
    names = Endpoint.objects


class StatusCodeFilter(admin.SimpleListFilter):
    """By status code, or its class."""

    title = "status code"
    parameter_name = "status_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the classes, the frequent codes, and the chosen one."""
        codes = {str(code) for code in _FREQUENT}
        chosen = request.GET.get("status_code", "")
        codes |= {chosen} if _code(chosen) else set()
        return [(name, name) for name in (*_CLASSES, *sorted(codes))] + [(_NONE, "No response")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows with the status code."""
        value = self.value()
        if not value:
            return queryset
        if value == _NONE:
            return queryset.filter(status_code=None)
        if value in _CLASSES:
            first, end = _CLASSES[value]
            return queryset.filter(status_code__gte=first, status_code__lt=end)
        code = _code(value)
        return queryset.filter(status_code=code) if code else queryset.none()


class ErrorClassFilter(admin.SimpleListFilter):
    """By the kind of error of an attempt."""

    title = "error class"
    parameter_name = "error_class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds."""
        return [(name, name) for name in ERROR_CLASSES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the attempts with that error."""
        return queryset.filter(error_class=self.value()) if self.value() else queryset


def _code(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) == 3 else None
