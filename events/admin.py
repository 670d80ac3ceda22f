from __future__ import annotations

import time
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from events.admin_filters import RecordedFilter, ShortPaginator, TypeFilter, search
from events.bus import positions
from events.bus.models import EventSubscription
from events.catalogue.event_types import UnknownEventType
from events.history.event_filter import BadPattern, EventFilter
from events.log.models import Event, Stream
from events.replay.models import Replay
from events.retention.models import CleanupState, RetentionPolicy
from workflow_platform.core.accounts.admin_lists import LargeList, WorkspaceFilter, short_id


class ReadOnly:
    """History is read-only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Stream)
class StreamAdmin(LargeList, ReadOnly, admin.ModelAdmin[Stream]):
    list_display = ["name", "workspace", "last_sequence", "removed_through", "created_at", "ended_at"]
    list_filter = [WorkspaceFilter]
    list_select_related = ["workspace"]
    exact_fields = ["name"]
    search_help_text = "The name of a stream, such as execution:<id>."


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin[Event]):
    list_display = ["type", "stream", "sequence", "time", "source", "workspace"]
    list_filter = [RecordedFilter, TypeFilter]
    list_select_related = ["stream", "workspace"]
    list_per_page = 100
    search_fields = ["id"]  # shows the search box; `get_search_results` does the search
    search_help_text = "An event's id, an execution's id, or a stream's name."
    ordering = ["-id"]
    sortable_by = ()
    paginator = ShortPaginator
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Exclude events that were removed but not deleted yet."""
        return super().get_queryset(request).filter(sequence__gt=F("stream__removed_through"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Search by indexed columns."""
        return (search(queryset, search_term) if search_term else queryset), False


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(LargeList, admin.ModelAdmin[RetentionPolicy]):
    list_display = ["workspace", "days", "keep_failed_days", "max_events"]
    list_select_related = ["workspace"]
    autocomplete_fields = ["workspace"]

    def get_readonly_fields(self, request: HttpRequest, obj: RetentionPolicy | None = None) -> list[str]:
        """Make the workspace of an existing policy read-only."""
        return ["workspace"] if obj else []


@admin.register(CleanupState)
class CleanupStateAdmin(LargeList, ReadOnly, admin.ModelAdmin[CleanupState]):
    list_display = ["ran_at", "collected_at", "report"]


class EventSubscriptionForm(forms.ModelForm[EventSubscription]):
    """Rejects patterns that match nothing."""

    def clean(self) -> dict[str, Any]:
        """Check each list of patterns, so that an error is shown beside its field."""
        values = super().clean() or {}
        for field in ("types", "sources"):
            try:
                patterns: dict[str, Any] = {field: values.get(field) or []}
                EventFilter(**patterns, workspaces=None).query()
            except (UnknownEventType, BadPattern) as error:
                self.add_error(field, str(error))
        return values


class SubscriptionList(ChangeList):
    """The lags of the rows of a page, as many as are known within a second."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows, and their lags while there is time."""
        super().get_results(request)
        until = time.monotonic() + LAGS_SECONDS
        for row in self.result_list:
            row.lag_text = lag_text(row) if time.monotonic() < until else "open it to see"


LAGS_SECONDS = 1.0
"""For the lags of a list; each look takes at most as long as a search of the log."""


def lag_text(subscription: EventSubscription) -> str:
    """Return how far a subscription is behind."""
    try:
        waiting = positions.lag(subscription)
    except (UnknownEventType, BadPattern) as error:  # of a type that no longer exists
        return str(error)
    if not waiting.events:
        return "none waiting" if waiting.exact else "unknown (the search took more than a second)"
    number = f"{waiting.events}{'' if waiting.exact else ' or more'} events"
    return f"{number}, the oldest from {waiting.age.total_seconds():,.0f} s ago"


@admin.register(EventSubscription)
class EventSubscriptionAdmin(LargeList, admin.ModelAdmin[EventSubscription]):
    """Durable subscriptions: their holders, their lag and their last errors."""

    form = EventSubscriptionForm
    list_display = ["name", "scope", "wants", "lag", "state", "last_error_in_short", "updated_at"]
    list_filter = [WorkspaceFilter]
    list_per_page = 20  # the lag of each is read
    list_select_related = ["workspace"]
    exact_fields = ["name"]
    text_fields = ["name", "holder"]
    actions = ["move_to_now", "skip_one"]
    fields = [
        "name",
        "workspace",
        "types",
        "sources",
        "lag",
        "state",
        "holder",
        "last_error",
        "created_at",
        "updated_at",
    ]
    readonly_fields = ["lag", "state", "holder", "last_error", "created_at", "updated_at"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that bounds the time for the lags."""
        return SubscriptionList

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Consumers create their subscriptions."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The consumer sets the name and the filter; with another filter the position would have no meaning."""
        return [*self.readonly_fields, "name", "workspace"]

    @admin.display(description="of", ordering="workspace")
    def scope(self, subscription: EventSubscription) -> str:
        return str(subscription.workspace or "the whole installation")

    @admin.display(description="types and sources")
    def wants(self, subscription: EventSubscription) -> str:
        parts = [", ".join(subscription.types) or "every type"]
        return " from ".join([*parts, ", ".join(subscription.sources)] if subscription.sources else parts)

    @admin.display(description="behind")
    def lag(self, subscription: EventSubscription) -> str:
        known: str | None = getattr(subscription, "lag_text", None)
        return lag_text(subscription) if known is None else known

    @admin.display(description="consumer")
    def state(self, subscription: EventSubscription) -> str:
        if not subscription.is_held:
            return "not running"
        return f"running: {subscription.holder}"

    @admin.display(description="last error")
    def last_error_in_short(self, subscription: EventSubscription) -> str:
        return Truncator(subscription.last_error).chars(120)

    @admin.action(description="Continue from now (skips waiting events)", permissions=["change"])
    def move_to_now(self, request: HttpRequest, chosen: QuerySet[EventSubscription]) -> None:
        for subscription in chosen:
            positions.move(subscription, "now")
        self.message_user(request, f"{len(chosen)} subscriptions continue from now.")

    @admin.action(description="Skip the next event (the one that fails)", permissions=["change"])
    def skip_one(self, request: HttpRequest, chosen: QuerySet[EventSubscription]) -> None:
        for subscription in chosen:
            skipped = positions.skip_one(subscription)
            result = f"skips {skipped.type} {skipped.id}" if skipped else "has no event to skip"
            self.message_user(request, f"{subscription} {result}.")


@admin.register(Replay)
class ReplayAdmin(LargeList, ReadOnly, admin.ModelAdmin[Replay]):
    list_display = ["short", "created_by", "target", "state", "mode", "total", "position", "created_at", "expires_at"]
    list_filter = ["target", "state", "mode"]
    list_select_related = ["created_by"]
    exclude = ["secrets", "url"]
    search_help_text = "The id of a replay."

    @admin.display(description="Id")
    def short(self, replay: Replay) -> str:
        return short_id(replay.pk)
