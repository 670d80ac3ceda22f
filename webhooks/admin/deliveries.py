"""Deliveries, their attempts, and inbound requests."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from events.admin import ReadOnly
from events.admin_filters import RecordedFilter
from webhooks import outbox
from webhooks.admin.chart import chart
from webhooks.admin.filters import EndpointFilter, ErrorClassFilter, StatusCodeFilter
from webhooks.models import Delivery, DeliveryAttempt, InboundRequest
from workflow_platform.core.accounts.admin_lists import LargeList, WorkspaceFilter, short_id
from workflow_platform.core.outbound.addresses import shown_url

MESSAGE = "msg_"
MOST_ATTEMPTS = 100


class AttemptInline(admin.TabularInline[DeliveryAttempt, Delivery]):
    """The attempts of a delivery."""

    model = DeliveryAttempt
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True
    verbose_name_plural = f"Attempts (the latest {MOST_ATTEMPTS})"
    fields = ("number", "outcome", "status_code", "error_class", "error", "total_ms", "started_at", "next_attempt_at")
    readonly_fields = fields
    ordering = ("-number",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeliveryAttempt]:
        """Return the latest attempts of the delivery."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        delivery_id = _uuid(str(match.kwargs.get("object_id", ""))) if match else None
        latest = DeliveryAttempt.objects.filter(delivery=delivery_id).order_by("-number")
        return rows.filter(pk__in=list(latest.values_list("pk", flat=True)[:MOST_ATTEMPTS]))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(LargeList, ReadOnly, admin.ModelAdmin[Delivery]):
    change_list_template = "admin/webhooks/chart_list.html"
    list_display = [
        "short", "status", "status_code", "event_type", "endpoint", "links", "origin", "rank", "attempts_made",
        "created_at", "ended_at", "error",
    ]  # fmt: skip
    list_filter = [RecordedFilter, "status", StatusCodeFilter, EndpointFilter, "origin", "rank", WorkspaceFilter]
    list_select_related = ["endpoint", "workspace"]
    id_fields = ["pk", "event_id", "execution_id", "endpoint"]
    indexed_filters = ["recorded", "endpoint", "workspace"]
    search_help_text = "Id of a delivery, event, execution or endpoint, or a webhook-id."
    exclude = ["sealed", "url"]
    readonly_fields = ["links", "masked_url"]
    inlines = [AttemptInline]
    actions = ["cancel", "redeliver"]

    def has_control_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_delivery")

    @admin.display(description="Id")
    def short(self, delivery: Delivery) -> str:
        return short_id(delivery.pk)

    @admin.display(description="URL")
    def masked_url(self, delivery: Delivery) -> str:
        return shown_url(delivery.url)

    @admin.display(description="See")
    def links(self, delivery: Delivery) -> str:
        """Link to the pages of the delivery and of the execution that it is about."""
        pages = [("delivery", reverse("webhook-delivery", args=[delivery.pk]))]
        if delivery.execution_id:
            pages.append(("monitor", reverse("monitor", args=[delivery.execution_id])))
            pages.append(("execution", reverse("admin:executions_execution_change", args=[delivery.execution_id])))
        return format_html_join(" · ", '<a href="{}">{}</a>', ((url, name) for name, url in pages))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows = super().get_queryset(request).defer("sealed")
        return rows if request.resolver_match and "object_id" in request.resolver_match.kwargs else rows.defer("body")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Search the indexed columns."""
        return super().get_search_results(request, queryset, search_term.strip().removeprefix(MESSAGE))

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


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(LargeList, ReadOnly, admin.ModelAdmin[DeliveryAttempt]):
    list_display = [
        "of_delivery", "number", "outcome", "status_code", "error_class", "total_ms", "started_at", "url",
    ]  # fmt: skip
    list_filter = [RecordedFilter, "outcome", StatusCodeFilter, ErrorClassFilter]
    id_fields = ["pk", "delivery", "endpoint_id"]
    indexed_filters = ["recorded"]
    search_help_text = "Id of an attempt, a delivery or an endpoint."
    raw_id_fields = ["delivery"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeliveryAttempt]:
        rows = super().get_queryset(request)
        is_page = request.resolver_match and "object_id" in request.resolver_match.kwargs
        return rows if is_page else rows.defer("response_body", "response_headers", "request_headers")

    @admin.display(description="Delivery")
    def of_delivery(self, attempt: DeliveryAttempt) -> str:
        return short_id(attempt.delivery_id)


@admin.register(InboundRequest)
class InboundRequestAdmin(LargeList, ReadOnly, admin.ModelAdmin[InboundRequest]):
    list_display = [
        "received_at", "method", "path", "address", "accepted", "status_code", "reason", "monitor", "test",
    ]  # fmt: skip
    list_filter = [RecordedFilter, "accepted", "test", StatusCodeFilter, WorkspaceFilter]
    id_fields = ["pk", "execution_id", "workflow_id"]
    indexed_filters = ["recorded", "workspace"]
    search_help_text = "Id of a request, an execution or a workflow."

    @admin.display(description="Execution")
    def monitor(self, request: InboundRequest) -> str:
        if not request.execution_id:
            return "–"
        url = reverse("monitor", args=[request.execution_id])
        return format_html('<a href="{}">{}</a>', url, short_id(request.execution_id))
