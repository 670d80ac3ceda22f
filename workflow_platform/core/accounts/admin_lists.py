"""Lists of the admin site for long tables: they count, sort and search only what an index finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.html import format_html

from workflow_platform.core.accounts.admin_audit import AuditedAdmin
from workflow_platform.core.accounts.models import Workspace

MOST_LISTED = 2_000
"""The most rows that a list shows on its pages."""
WINDOW = 50_000
"""How many of the newest rows a filter or search without an index looks at."""
MOST_CHOICES = 50
"""The most choices of a filter by objects."""
_OF_PAGES = {"p", "o", "e", "q", "all", "_popup", "_to_field", "_changelist_filters"}


class ShortPaginator(Paginator[Any]):
    """Pages of the first rows only, since counting all rows is too slow."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, up to a limit."""
        rows: Any = self.object_list
        return len(rows.values_list("pk", flat=True)[:MOST_LISTED])


def newest(rows: QuerySet[Any], count: int = WINDOW) -> QuerySet[Any]:
    """Return those of the rows that are among the newest of their table, by their primary key."""
    keys = rows.model._base_manager.order_by("-pk").values_list("pk", flat=True)
    oldest = list(keys[count - 1 : count])
    return rows.filter(pk__gte=oldest[0]) if oldest else rows


def short_id(value: Any) -> str:
    """Return the end of an id, which tells rows apart, on one line; the whole id is its title."""
    return format_html('<span class="short-id" title="{}">…{}</span>', value, str(value)[-12:]) if value else "–"


class LargeList(AuditedAdmin):
    """For a table that can become too long to be counted: the newest rows first, without sorting by other columns.

    A search finds an id in `id_fields`, an exact text in `exact_fields`, which all have an index, and a part of
    `text_fields` in the newest rows. Filters look at the newest rows too, except those named in `indexed_filters`.
    """

    list_per_page: ClassVar[Any] = 100
    ordering: ClassVar[Any] = ["-pk"]
    sortable_by: ClassVar[Any] = ()
    paginator: ClassVar[Any] = ShortPaginator
    show_full_result_count: ClassVar[Any] = False
    search_fields: ClassVar[Any] = ("pk",)  # shows the search box; `get_search_results` does the search
    id_fields: ClassVar[Sequence[str]] = ("pk",)
    exact_fields: ClassVar[Sequence[str]] = ()
    text_fields: ClassVar[Sequence[str]] = ()
    indexed_filters: ClassVar[Sequence[str]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Limit the rows of a filtered list to the newest."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return newest(rows) if self._is_filtered(request) else rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by indexed columns, and by texts in the newest rows."""
        text = search_term.strip().replace("\0", "")
        if not text:
            return queryset, False
        for field, value in self._exact(text):
            if (matches := queryset.filter(**{field: value})).exists():
                return matches, False
        if not self.text_fields:
            return queryset.none(), False
        part = Q()
        for field in self.text_fields:
            part |= Q(**{f"{field}__icontains": text})
        return newest(queryset).filter(part), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Say when the list shows only a part of the table."""
        context: dict[str, Any] = extra_context or {}
        if self._is_filtered(request):
            context = {"subtitle": f"Filters look at the newest {WINDOW:,} rows."} | context
        response: HttpResponse = super().changelist_view(request, context)  # type: ignore[misc]
        return response

    def _exact(self, text: str) -> Iterator[tuple[str, Any]]:
        model: type[Model] = self.model  # type: ignore[attr-defined]
        for field in self.id_fields:
            try:
                key = model._meta.pk if field == "pk" else model._meta.get_field(field)
                yield field, key.to_python(text)  # type: ignore[union-attr]
            except Exception:  # noqa: S112 - each kind of field has its own error for what is no value of it
                continue
        for field in self.exact_fields:
            yield field, text

    def _is_filtered(self, request: HttpRequest) -> bool:
        match = request.resolver_match
        if match is None or not str(match.url_name).endswith("_changelist"):
            return False
        return any(name not in _OF_PAGES and name not in self.indexed_filters for name in request.GET)


class ObjectFilter(admin.SimpleListFilter):
    """By an object that the rows belong to. It lists some objects, and the chosen one."""

    field = ""
    names: Any = None
    """A manager of the objects, which have a name."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the first objects, and the chosen one."""
        rows = self.names.order_by("-pk").values_list("pk", "name")
        listed = {str(pk): name for pk, name in rows[:MOST_CHOICES]}
        if chosen := _uuid(request.GET.get(self.parameter_name or "")):
            listed |= {str(pk): name for pk, name in rows.filter(pk=chosen)}
        return sorted(listed.items(), key=lambda pair: pair[1].lower())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen object."""
        if self.value() is None:
            return queryset
        chosen = _uuid(self.value())
        return queryset.filter(**{self.field: chosen}) if chosen else queryset.none()


class WorkspaceFilter(ObjectFilter):
    """By workspace."""

    title = "workspace"
    parameter_name = "workspace"
    field = "workspace"
    names = Workspace.objects


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
