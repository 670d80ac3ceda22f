from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from events.admin import ReadOnly
from executions import lifecycle
from executions.models import Credential, Execution, NodeRun, Schedule, Wait, WebhookRoute, Workflow, WorkflowVersion


@admin.register(Workflow)
class WorkflowAdmin(ReadOnly, admin.ModelAdmin[Workflow]):
    """Workflows are changed on their page and through the API, which validate each save and create a version."""

    list_display = ["name", "workspace", "active", "latest_version", "updated_at", "deleted_at"]
    list_filter = ["active", "workspace"]
    list_select_related = ["workspace", "latest_version__workflow"]
    search_fields = ["name", "=id"]


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(ReadOnly, admin.ModelAdmin[WorkflowVersion]):
    list_display = ["workflow", "number", "created_by", "created_at"]
    list_select_related = ["workflow", "created_by"]
    search_fields = ["workflow__name", "=workflow__id"]


@admin.register(Execution)
class ExecutionAdmin(ReadOnly, admin.ModelAdmin[Execution]):
    list_display = [
        "id",
        "workflow",
        "status",
        "mode",
        "trigger",
        "priority",
        "queued_at",
        "ended_at",
        "worker",
        "monitor",
    ]
    list_filter = ["status", "mode", "trigger", "priority", "workspace"]
    list_select_related = ["workflow"]
    search_fields = ["=id", "workflow__name", "=worker"]
    show_full_result_count = False
    actions = ["cancel", "pause", "resume"]

    def has_control_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("executions.change_execution")

    @admin.action(description="Cancel selected executions", permissions=["control"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self._control(request, queryset, lifecycle.request_cancel, "Cancellation requested for")

    @admin.action(description="Pause selected executions", permissions=["control"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self._control(request, queryset, lifecycle.request_pause, "Pause requested for")

    @admin.action(description="Resume selected executions", permissions=["control"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self._control(request, queryset, lifecycle.request_resume, "Resume requested for")

    def _control(
        self,
        request: HttpRequest,
        queryset: QuerySet[Execution],
        request_change: Callable[..., Execution],
        message: str,
    ) -> None:
        count = 0
        for execution in queryset:
            try:
                request_change(execution, by=request.user, reason="Requested in the admin.")
                count += 1
            except lifecycle.CannotControl as error:
                self.message_user(request, f"{execution.pk}: {error}", messages.WARNING)
        if count:
            self.message_user(request, f"{message} {count} {'execution' if count == 1 else 'executions'}.")

    @admin.display(description="Live monitor")
    def monitor(self, execution: Execution) -> str:
        return format_html('<a href="{}">Open</a>', reverse("monitor", args=[execution.pk]))


@admin.register(Wait)
class WaitAdmin(ReadOnly, admin.ModelAdmin[Wait]):
    list_display = ["kind", "execution", "node_id", "run_index", "assignee", "created_at", "expires_at", "resolved_at"]
    list_filter = ["kind"]
    list_select_related = ["execution", "assignee"]
    search_fields = ["=execution__id", "=node_id", "=assignee__username"]
    show_full_result_count = False


@admin.register(NodeRun)
class NodeRunAdmin(ReadOnly, admin.ModelAdmin[NodeRun]):
    list_display = [
        "node_id",
        "run_index",
        "node_type",
        "status",
        "attempt",
        "output_items",
        "duration_ms",
        "execution",
    ]
    list_filter = ["status", "node_type"]
    list_select_related = ["execution"]
    search_fields = ["=execution__id", "=node_id"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("output", "inputs", "lineage")


@admin.register(Credential)
class CredentialAdmin(ReadOnly, admin.ModelAdmin[Credential]):
    """Credentials without their secrets, which are never shown. They are changed on their page and through the API."""

    list_display = ["name", "type", "workspace", "created_by", "updated_at", "last_used_at", "key"]
    list_filter = ["type", "workspace", "key"]
    list_select_related = ["workspace", "created_by"]
    search_fields = ["name", "=id"]
    exclude = ["data"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("data")


@admin.register(WebhookRoute)
class WebhookRouteAdmin(ReadOnly, admin.ModelAdmin[WebhookRoute]):
    list_display = ["path", "workspace", "workflow", "node_id"]
    list_filter = ["workspace"]
    list_select_related = ["workspace", "workflow"]
    search_fields = ["path", "workflow__name"]


@admin.register(Schedule)
class ScheduleAdmin(ReadOnly, admin.ModelAdmin[Schedule]):
    list_display = ["workflow", "node_id", "cron", "interval_seconds", "timezone", "next_at", "last_at", "last_error"]
    list_filter = ["missed", "workflow__workspace"]
    list_select_related = ["workflow"]
    raw_id_fields = ["last_execution"]
    search_fields = ["workflow__name", "cron", "=node_id"]
