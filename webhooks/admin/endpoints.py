"""Endpoints and the lanes of receivers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from events.admin import ReadOnly
from webhooks.admin.chart import chart
from webhooks.endpoints import lifecycle
from webhooks.models import Endpoint, EndpointRevision, Lane
from workflow_platform.core.accounts.admin_lists import LargeList, WorkspaceFilter
from workflow_platform.core.outbound.addresses import shown_url


class RevisionInline(admin.TabularInline[EndpointRevision, Endpoint]):
    model = EndpointRevision
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Endpoint)
class EndpointAdmin(LargeList, ReadOnly, admin.ModelAdmin[Endpoint]):
    change_form_template = "admin/webhooks/chart_form.html"
    list_display = [
        "name",
        "sent",
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
        WorkspaceFilter,
    ]
    list_select_related = ["workspace"]
    text_fields = ["name", "url"]
    indexed_filters = ["workspace"]
    search_help_text = "An id, or a part of a name or URL."
    exclude = ["sealed", "url"]
    readonly_fields = ["sent", "masked_url"]
    inlines = [RevisionInline]
    actions = ["pause", "resume", "enable"]

    def has_control_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_endpoint")

    @admin.display(description="Deliveries")
    def sent(self, endpoint: Endpoint) -> str:
        listed = reverse("admin:webhooks_delivery_changelist")
        return format_html('<a href="{}?endpoint={}">Deliveries</a>', listed, endpoint.pk)

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


@admin.register(Lane)
class LaneAdmin(LargeList, ReadOnly, admin.ModelAdmin[Lane]):
    list_display = ["__str__", "workspace", "window", "failures", "open_until", "slow_ms", "succeeded_at", "failed_at"]
    list_filter = [("open_until", admin.EmptyFieldListFilter), WorkspaceFilter]
    list_select_related = ["endpoint", "workspace"]
    text_fields = ["host"]
    search_help_text = "The id of an endpoint, or a part of a host."
