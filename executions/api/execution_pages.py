"""Pages of `/api/executions/`, in any of its orders."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import Cursor
from rest_framework.request import Request

from executions.listing import Criteria, ListOrder, ListPage, Position, page_of, visible_workspaces
from executions.models import Execution
from workflow_platform.core.api.pagination import BAD_CURSOR, NewestFirst, chosen_fields


class ExecutionPages(NewestFirst):
    """Pages by the key of the order; cursors hold the key and the id of a row."""

    found: ListPage

    def page_rows(self, request: Request, criteria: Criteria, sort: ListOrder, rows: QuerySet[Execution]) -> list[Any]:
        """Return the executions of the requested page. Raises ValidationError for an invalid cursor or limit."""
        self.base_url = request.build_absolute_uri()
        self._fields = chosen_fields(request)
        cursor = self.decode_cursor(request)
        try:
            at = Position.parse(str(cursor.position), sort) if cursor and cursor.position is not None else None
        except ValueError:
            raise ValidationError({self.cursor_query_param: [BAD_CURSOR]}) from None
        self.found = page_of(
            visible_workspaces(request.user, criteria),
            criteria,
            rows,
            sort=sort,
            limit=self.get_page_size(request),
            at=at,
            backwards=bool(cursor and cursor.reverse),
        )
        return self.found.rows

    def get_next_link(self) -> str | None:
        """Return the URL of the next page."""
        return self._link(self.found.last, reverse=False) if self.found.after else None

    def get_previous_link(self) -> str | None:
        """Return the URL of the page before."""
        return self._link(self.found.first, reverse=True) if self.found.before else None

    def _link(self, at: Position | None, *, reverse: bool) -> str | None:
        if at is None:
            return None
        return str(self.encode_cursor(Cursor(0, reverse, at.text())))  # type: ignore[arg-type]
