"""Filters and search of events in the admin site. They never read the whole table."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from events.catalogue.event_types import CATALOGUE
from events.catalogue.stream_names import EXECUTION
from events.log.models import Event, Stream
from events.log.partitions import first_id
from workflow_platform.core.accounts.admin_lists import MOST_LISTED, ShortPaginator

__all__ = ["MOST_LISTED", "RecordedFilter", "ShortPaginator", "TypeFilter", "search"]


class TypeFilter(admin.SimpleListFilter):
    """By event type."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the types."""
        return [(name, name) for name in CATALOGUE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Return the events of the type."""
        return queryset.filter(type=self.value()) if self.value() else queryset


class RecordedFilter(admin.SimpleListFilter):
    """By the time of recording, which the ids contain. Default: the last day; a search covers all days."""

    title = "recorded"
    parameter_name = "recorded"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the ranges."""
        return [("hour", "In the last hour"), ("today", "Today (UTC)"), ("yesterday", "Yesterday (UTC)"),
                ("week", "In the last 7 days"), ("any", "At any time")]  # fmt: skip

    def choices(self, changelist: Any) -> Any:
        """Name the default range."""
        for choice in super().choices(changelist):
            yield choice | {"display": "In the last day"} if choice["display"] == "All" else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Return the events of the range."""
        chosen = self.value()
        if chosen == "any" or (not chosen and request.GET.get("q")):
            return queryset
        now = datetime.now(UTC)
        today = datetime.combine(now.date(), time(), UTC)
        begins = {"hour": now - timedelta(hours=1), "today": today, "yesterday": today - timedelta(days=1)}
        begins["week"] = now - timedelta(days=7)
        events = queryset.filter(id__gte=first_id(begins.get(chosen or "", now - timedelta(days=1))))
        return events.filter(id__lt=first_id(today)) if chosen == "yesterday" else events


def search(queryset: QuerySet[Event], text: str) -> QuerySet[Event]:
    """Return the events for an event id, an execution id or the name of a stream."""
    text = text.strip()
    try:
        events = queryset.filter(id=UUID(text))
        if events.exists():
            return events
        text = f"{EXECUTION}{UUID(text)}"
    except ValueError:
        pass
    # Look up the stream first, so that the index on streams is used.
    return queryset.filter(stream_id__in=list(Stream.objects.filter(name=text).values_list("pk", flat=True)))
