"""Operations on many deliveries, and what the reconciliation counted and found."""

from __future__ import annotations

from django.contrib import admin

from events.admin import ReadOnly
from webhooks.models import HourCount, Operation, Violation
from workflow_platform.core.accounts.admin_lists import LargeList, WorkspaceFilter, short_id


@admin.register(Operation)
class OperationAdmin(LargeList, ReadOnly, admin.ModelAdmin[Operation]):
    list_display = [
        "short",
        "kind",
        "state",
        "endpoint",
        "total",
        "done",
        "left_out",
        "created_by",
        "created_at",
        "ended_at",
    ]
    list_filter = ["kind", "state", WorkspaceFilter]
    list_select_related = ["endpoint", "created_by"]
    id_fields = ["pk", "endpoint"]
    indexed_filters = ["workspace"]
    search_help_text = "The id of an operation or an endpoint."

    @admin.display(description="Id")
    def short(self, operation: Operation) -> str:
        return short_id(operation.pk)


@admin.register(HourCount)
class HourCountAdmin(LargeList, ReadOnly, admin.ModelAdmin[HourCount]):
    list_display = [
        "endpoint", "hour", "due", "delivered", "pending", "failed", "cancelled", "violations", "checked_at", "final",
    ]  # fmt: skip
    list_filter = ["final", "hour"]
    list_select_related = ["endpoint"]
    id_fields = ["endpoint"]
    search_help_text = "The id of an endpoint."


@admin.register(Violation)
class ViolationAdmin(LargeList, ReadOnly, admin.ModelAdmin[Violation]):
    list_display = ["kind", "endpoint", "hour", "event_id", "found_at"]
    list_filter = ["kind"]
    list_select_related = ["endpoint"]
    id_fields = ["endpoint"]
    search_help_text = "The id of an endpoint."
