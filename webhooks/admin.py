"""Webhooks in the admin site: read-only, with actions. Endpoints are changed through the API and their pages, which
validate every change. Secrets are never shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from events.admin import ReadOnly
from events.admin_filters import RecordedFilter, ShortPaginator
from webhooks import charts, outbox, statistics
from webhooks.endpoints import lifecycle
from webhooks.models import (
    Delivery,
    DeliveryAttempt,
    Endpoint,
    EndpointRevision,
    HourCount,
    InboundRequest,
    Lane,
    Operation,
    Violation,
)
from workflow_platform.core.outbound.addresses import shown_url

HOURS = 48
MESSAGE = "msg_"


def chart(endpoint_ids: list[UUID] | None = None) -> SafeString:
    """Return the chart of the deliveries that ended in the last hours, by status."""
    until = timezone.now()
    measured = statistics.measure(until - timedelta(hours=HOURS), until, endpoints=endpoint_ids)
    return charts.stacked(measured.series, f"Deliveries of the last {HOURS} hours by status")


class Long(ReadOnly):
    """A table that is too long to be counted: it shows pages of the newest rows."""

    list_per_page = 100
    ordering: Any = ["-id"]
    sortable_by: Any = ()
    paginator: Any = ShortPaginator
    show_full_result_count = False


class RevisionInline(admin.TabularInline[EndpointRevision, Endpoint]):
    model = EndpointRevision
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly, admin.ModelAdmin[Endpoint]):
    change_form_template = "admin/webhooks/chart_form.html"
    list_display = [
        "name",
        "workspace",
        "masked_url",
        "event_types",
        "active",
        "paused_at",
        "disabled_at",
        "deleted_at",
    ]
    list_filter = [
        "active",
        "ordering",
        "signature",
        ("paused_at", admin.EmptyFieldListFilter),
        ("disabled_at", admin.EmptyFieldListFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
        "workspace",
    ]
    list_select_related = ["workspace"]
    search_fields = ["name", "=id", "url"]
    exclude = ["sealed", "url"]
    readonly_fields = ["masked_url"]
    inlines = [RevisionInline]
    actions = ["pause", "resume", "enable"]

    def has_control_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_endpoint")

    @admin.display(description="URL")
    def masked_url(self, endpoint: Endpoint) -> str:
        return shown_url(endpoint.url)

    @admin.action(description="Pause selected endpoints", permissions=["control"])
    def pause(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        self._turn(request, chosen, lifecycle.pause, "paused")

    @admin.action(description="Resume selected endpoints", permissions=["control"])
    def resume(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        self._turn(request, chosen, lifecycle.resume, "resumed")

    @admin.action(description="Enable selected endpoints", permissions=["control"])
    def enable(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        self._turn(request, chosen, lifecycle.enable, "enabled")

    def _turn(
        self, request: HttpRequest, chosen: QuerySet[Endpoint], turn: Callable[[Endpoint], Endpoint], done: str
    ) -> None:
        rows = list(chosen.filter(deleted_at=None).order_by("pk"))
        for endpoint in rows:
            turn(endpoint)
        self.message_user(request, f"{len(rows)} {'endpoint' if len(rows) == 1 else 'endpoints'} {done}.")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add the chart of the endpoint's deliveries."""
        try:
            drawn = chart([UUID(object_id)])
        except ValueError:
            drawn = SafeString()
        return super().change_view(request, object_id, form_url, (extra_context or {}) | {"chart": drawn})


@admin.register(Delivery)
class DeliveryAdmin(Long, admin.ModelAdmin[Delivery]):
    change_list_template = "admin/webhooks/chart_list.html"
    list_display = [
        "id", "status", "event_type", "endpoint", "origin", "rank", "attempts_made", "status_code", "created_at",
        "ended_at", "error",
    ]  # fmt: skip
    list_filter = [RecordedFilter, "status", "origin", "rank", "workspace"]
    list_select_related = ["endpoint", "workspace"]
    search_fields = ["id"]  # shows the search box; get_search_results does the search
    search_help_text = "Id of a delivery, event, execution or endpoint, or a webhook-id."
    exclude = ["sealed", "url"]
    readonly_fields = ["masked_url"]
    actions = ["cancel", "redeliver"]

    def has_control_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_delivery")

    @admin.display(description="URL")
    def masked_url(self, delivery: Delivery) -> str:
        return shown_url(delivery.url)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).defer("sealed")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Search the indexed columns."""
        try:
            searched = UUID(search_term.strip().removeprefix(MESSAGE)) if search_term.strip() else None
        except ValueError:
            return queryset.none(), False
        if searched is None:
            return queryset, False
        for field in ("id", "event_id", "execution_id"):
            if (matches := queryset.filter(**{field: searched})).exists():
                return matches, False
        return queryset.filter(endpoint_id=searched), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Add the chart of all deliveries."""
        return super().changelist_view(request, (extra_context or {}) | {"chart": chart()})

    @admin.action(description="Cancel selected deliveries", permissions=["control"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        done = outbox.cancel(_ids(chosen), f"Cancelled by {request.user.get_username()} in the admin.")
        in_flight = f"; {len(done.requested)} are in flight and will not be retried" if done.requested else ""
        self.message_user(request, f"{len(done.cancelled)} cancelled{in_flight}.")

    @admin.action(description="Send selected deliveries again", permissions=["control"])
    def redeliver(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        delivery_ids = _ids(chosen)
        done = outbox.redeliver(delivery_ids)
        left = (
            f"; {len(delivery_ids) - len(done)} have not ended, or their endpoint was deleted"
            if len(done) < len(delivery_ids)
            else ""
        )
        self.message_user(request, f"{len(done)} will be sent again{left}.")


def _ids(chosen: QuerySet[Delivery]) -> list[UUID]:
    return list(chosen.order_by("pk").values_list("pk", flat=True))


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(Long, admin.ModelAdmin[DeliveryAttempt]):
    list_display = ["delivery_id", "number", "outcome", "status_code", "error_class", "total_ms", "started_at", "url"]
    list_filter = [RecordedFilter, "outcome", "error_class"]
    raw_id_fields = ["delivery"]


@admin.register(Lane)
class LaneAdmin(ReadOnly, admin.ModelAdmin[Lane]):
    list_display = ["__str__", "workspace", "window", "failures", "open_until", "slow_ms", "succeeded_at", "failed_at"]
    list_filter = [("open_until", admin.EmptyFieldListFilter), "workspace"]
    list_select_related = ["endpoint", "workspace"]
    search_fields = ["host", "endpoint__name"]
    show_full_result_count = False


@admin.register(Operation)
class OperationAdmin(ReadOnly, admin.ModelAdmin[Operation]):
    list_display = [
        "id",
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
    list_filter = ["kind", "state", "workspace"]
    list_select_related = ["endpoint", "created_by"]


@admin.register(InboundRequest)
class InboundRequestAdmin(Long, admin.ModelAdmin[InboundRequest]):
    list_display = [
        "received_at",
        "method",
        "path",
        "address",
        "accepted",
        "status_code",
        "reason",
        "execution_id",
        "test",
    ]
    list_filter = [RecordedFilter, "accepted", "test", "status_code", "workspace"]


@admin.register(HourCount)
class HourCountAdmin(ReadOnly, admin.ModelAdmin[HourCount]):
    list_display = [
        "endpoint", "hour", "due", "delivered", "pending", "failed", "cancelled", "violations", "checked_at", "final",
    ]  # fmt: skip
    list_filter = ["final", "hour"]
    list_select_related = ["endpoint"]
    search_fields = ["endpoint__name", "=endpoint__id"]
    show_full_result_count = False


@admin.register(Violation)
class ViolationAdmin(ReadOnly, admin.ModelAdmin[Violation]):
    list_display = ["kind", "endpoint", "hour", "event_id", "found_at"]
    list_filter = ["kind"]
    list_select_related = ["endpoint"]
    search_fields = ["=event_id", "=endpoint__id"]
    show_full_result_count = False
