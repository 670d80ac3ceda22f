"""Pagination of lists with cursors."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflow_platform.core.api.inputs import QuerySerializer

BAD_CURSOR = "The cursor is invalid. Use `next` or `previous` of an earlier response."


MOST_FIELDS = 50


def chosen_fields(request: Request) -> list[str] | None:
    """Return the fields of rows that the query asks for (`fields=id,name`); None for all. Raises ValidationError."""
    value = request.query_params.get("fields")
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")]
    if len(names) > MOST_FIELDS or not all(name.isidentifier() for name in names):
        message = f"Give at most {MOST_FIELDS} names of fields, separated by commas."
        raise ValidationError({"fields": [message]})
    return names


class CursorPages(CursorPagination):
    """Pages of at most `limit` rows. An invalid cursor, limit or field, or an unknown parameter, is a 400."""

    _fields: list[str] | None = None

    page_size_query_param = "limit"
    cursor_query_description = "The cursor from `next` or `previous` of an earlier response."

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> Any:
        """Return the rows of the requested page."""
        if not getattr(request._request, "query_is_checked", False):  # the list has no filters
            QuerySerializer.of(request)
        self._fields = chosen_fields(request)
        try:
            return super().paginate_queryset(queryset, request, view)
        except (
            ModelValidationError,
            ValueError,
            OverflowError,
        ):  # the position in the cursor is neither an id nor a time
            raise ValidationError({self.cursor_query_param: [BAD_CURSOR]}) from None

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page, with the fields of its rows that the query asks for."""
        return super().get_paginated_response(self._chosen(data))

    def _chosen(self, rows: Any) -> Any:
        names = self._fields
        if names is None or not rows:
            return rows
        if unknown := [name for name in names if name not in rows[0]]:
            message = f"{unknown[0][:60]!r} is not a field of these rows. Fields: {', '.join(rows[0])}."
            raise ValidationError({"fields": [message]})
        return [{name: row[name] for name in names} for row in rows]

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return the cursor of the query. Raises ValidationError."""
        try:
            cursor: Cursor | None = super().decode_cursor(request)
        except NotFound:
            raise ValidationError({self.cursor_query_param: [BAD_CURSOR]}) from None
        if cursor is not None and cursor == (0, False, None):  # it decodes to an empty cursor
            raise ValidationError({self.cursor_query_param: [BAD_CURSOR]})
        return cursor

    def get_page_size(self, request: Request) -> int:
        """Return `limit`, at most `max_page_size`. Raises ValidationError if it is not a number above 0."""
        value = request.query_params.get("limit")
        if value is None:
            return int(self.page_size or 0)
        if not value.isascii() or not value.isdecimal() or not int(value[:20]):
            raise ValidationError({"limit": ["Must be a whole number greater than 0."]})
        return min(int(value[:20]), int(self.max_page_size or 0))

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Return the parameters `cursor` and `limit` for OpenAPI."""
        description = f"Rows per page: {self.page_size} by default. At most {self.max_page_size}."
        shape = {"type": "integer", "minimum": 1, "default": self.page_size}
        limit = {"name": "limit", "required": False, "in": "query", "description": description, "schema": shape}
        parameters = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == self.cursor_query_param:
                parameter["schema"]["minLength"] = 1
        fields = {"name": "fields", "required": False, "in": "query", "schema": {"type": "string", "minLength": 1}}
        fields["description"] = "Only these fields of each row, separated by commas: `id,name`."
        return [limit if each["name"] == "limit" else each for each in parameters] + [fields]


class NewestFirst(CursorPages):
    """Lists from the newest row on. Ids are UUIDv7, so they sort by age."""

    ordering = "-id"
    page_size = 50
    max_page_size = 200
