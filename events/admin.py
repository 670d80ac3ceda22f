from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest

from events.admin_filters import RecordedFilter, ShortPaginator, TypeFilter, search
from events.models import CleanupState, Event, RetentionPolicy, Stream


class ReadOnly:
    """History is looked at, not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Stream)
class StreamAdmin(ReadOnly, admin.ModelAdmin[Stream]):
    list_display = ["name", "workspace", "last_sequence", "removed_through", "created_at", "ended_at"]
    list_filter = ["workspace"]
    list_select_related = ["workspace"]
    search_fields = ["name"]
    show_full_result_count = False


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin[Event]):
    list_display = ["type", "stream", "sequence", "time", "source", "workspace"]
    list_filter = [RecordedFilter, TypeFilter]
    list_select_related = ["stream", "workspace"]
    list_per_page = 100
    search_fields = ["id"]  # shows the box; what is looked for is said below
    search_help_text = "An event's id, an execution's id, or a stream's name."
    ordering = ["-id"]
    sortable_by = ()
    paginator = ShortPaginator
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Leave out what has been removed and not deleted yet."""
        return super().get_queryset(request).filter(sequence__gt=F("stream__removed_through"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Find by what has an index."""
        return (search(queryset, search_term) if search_term else queryset), False


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(admin.ModelAdmin[RetentionPolicy]):
    list_display = ["workspace", "days", "keep_failed_days", "max_events"]
    list_select_related = ["workspace"]
    autocomplete_fields = ["workspace"]

    def get_readonly_fields(self, request: HttpRequest, obj: RetentionPolicy | None = None) -> list[str]:
        """Leave a policy with its workspace."""
        return ["workspace"] if obj else []


@admin.register(CleanupState)
class CleanupStateAdmin(ReadOnly, admin.ModelAdmin[CleanupState]):
    list_display = ["ran_at", "collected_at", "report"]
