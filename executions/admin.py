from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from events.admin import ReadOnly
from executions import lifecycle
from executions.domain.statuses import ExecutionStatus
from executions.models import Credential, Execution, NodeRun, Schedule, Wait, WebhookRoute, Workflow, WorkflowVersion
from executions.nodes.registry import node_types
from workflow_platform.core.accounts.admin_lists import LargeList, WorkspaceFilter, newest, short_id


class NodeTypeFilter(admin.SimpleListFilter):
    """By node type, from the registry: reading the types from a long table is too slow."""

    title = "node type"
    parameter_name = "node_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the types."""
        return sorted((name, type_.label) for name, type_ in node_types().items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[NodeRun]) -> QuerySet[NodeRun]:
        """Return the runs of nodes of the type."""
        return queryset.filter(node_type=self.value()) if self.value() else queryset


class ByWorkflowName(LargeList):
    """A list whose search finds the rows of a workflow by the workflow's id, or a part of its name."""

    workflow_field = "workflow"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by the row's own columns, then by workflows."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if not search_term.strip() or found.exists():
            return found, may_repeat
        named = newest(Workflow.objects.all()).filter(name__icontains=search_term.strip().replace("\0", ""))
        workflows = list(named.values_list("pk", flat=True)[:MOST_WORKFLOWS])
        return queryset.filter(**{f"{self.workflow_field}__in": workflows}), may_repeat


MOST_WORKFLOWS = 20
"""The most workflows whose rows a search by name lists."""
_DATA = ("input", "response", "replaced_input", "workflow__description")


@admin.register(Workflow)
class WorkflowAdmin(LargeList, ReadOnly, admin.ModelAdmin[Workflow]):
    """Workflows are changed on their page and through the API, which validate each save and create a version."""

    list_display = ["name", "page", "workspace", "active", "latest_version", "updated_at", "deleted_at"]
    list_filter = ["active", WorkspaceFilter]
    list_select_related = ["workspace", "latest_version__workflow"]
    text_fields = ["name"]
    indexed_filters = ["workspace"]
    search_help_text = "The id of a workflow, or a part of its name."

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("latest_version__nodes", "latest_version__edges")

    @admin.display(description="Page")
    def page(self, workflow: Workflow) -> str:
        return format_html('<a href="{}">Open</a>', reverse("workflow", args=[workflow.pk]))


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(ByWorkflowName, ReadOnly, admin.ModelAdmin[WorkflowVersion]):
    list_display = ["workflow", "number", "created_by", "created_at"]
    list_select_related = ["workflow", "created_by"]
    id_fields = ["pk", "workflow"]
    search_help_text = "The id of a version or workflow, or a part of the workflow's name."

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("workflow__description")


@admin.register(Execution)
class ExecutionAdmin(ByWorkflowName, ReadOnly, admin.ModelAdmin[Execution]):
    list_display = [
        "short",
        "monitor",
        "workflow",
        "status",
        "mode",
        "trigger",
        "priority",
        "queued_at",
        "ended_at",
        "worker",
    ]
    list_filter = ["status", "mode", "trigger", "priority", WorkspaceFilter]
    list_select_related = ["workflow"]
    id_fields = ["pk", "workflow", "parent"]
    indexed_filters = ["workspace"]
    search_help_text = "The id of an execution, its parent or its workflow, or a part of the workflow's name."
    readonly_fields = ["monitor"]
    actions = ["cancel", "pause", "resume"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        return (
            rows.defer(*_DATA) if request.resolver_match and "object_id" not in request.resolver_match.kwargs else rows
        )

    @admin.display(description="Id")
    def short(self, execution: Execution) -> str:
        return short_id(execution.pk)

    def has_control_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("executions.change_execution")

    @admin.action(description="Cancel selected executions", permissions=["control"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self._control(request, queryset, _cancel, "Cancellation requested for")

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


def _cancel(execution: Execution, **request: Any) -> Execution:
    """Cancel the execution. Raises CannotControl if there is nothing to cancel."""
    if ExecutionStatus(execution.status).ended:
        status = execution.status.replace("_", " ")
        raise lifecycle.CannotControl(f"The execution has ended; its status is {status}. Nothing was cancelled.")
    if execution.cancel_requested_at is not None:
        raise lifecycle.CannotControl("A cancellation is already pending.")
    made = lifecycle.request_cancel(execution, **request)
    if made.cancel_requested_at is None:
        raise lifecycle.CannotControl("The execution has ended in the meantime. Nothing was cancelled.")
    return made


@admin.register(Wait)
class WaitAdmin(LargeList, ReadOnly, admin.ModelAdmin[Wait]):
    list_display = [
        "kind",
        "of_execution",
        "node_id",
        "run_index",
        "assignee",
        "created_at",
        "expires_at",
        "resolved_at",
    ]
    list_filter = ["kind"]
    list_select_related = ["assignee"]
    id_fields = ["pk", "execution"]
    search_help_text = "The id of a wait or an execution."

    @admin.display(description="Execution")
    def of_execution(self, wait: Wait) -> str:
        return _monitor_link(wait.execution_id)


@admin.register(NodeRun)
class NodeRunAdmin(LargeList, ReadOnly, admin.ModelAdmin[NodeRun]):
    list_display = [
        "node_id",
        "run_index",
        "node_type",
        "status",
        "attempt",
        "output_items",
        "duration_ms",
        "of_execution",
    ]
    list_filter = ["status", NodeTypeFilter]
    id_fields = ["pk", "execution"]
    search_help_text = "The id of a node run or an execution."

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("output", "inputs", "lineage", "exchange")

    @admin.display(description="Execution")
    def of_execution(self, run: NodeRun) -> str:
        return _monitor_link(run.execution_id)


def _monitor_link(execution_id: UUID) -> str:
    return format_html('<a href="{}">{}</a>', reverse("monitor", args=[execution_id]), short_id(execution_id))


@admin.register(Credential)
class CredentialAdmin(LargeList, ReadOnly, admin.ModelAdmin[Credential]):
    """Credentials without their secrets, which are never shown. They are changed on their page and through the API."""

    list_display = ["name", "type", "workspace", "created_by", "updated_at", "last_used_at", "key"]
    list_filter = ["type", WorkspaceFilter]
    list_select_related = ["workspace", "created_by"]
    exact_fields = ["key"]
    text_fields = ["name"]
    search_help_text = "An id, the name of an encryption key, or a part of a credential's name."
    exclude = ["data"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("data")


@admin.register(WebhookRoute)
class WebhookRouteAdmin(ByWorkflowName, ReadOnly, admin.ModelAdmin[WebhookRoute]):
    list_display = ["path", "workspace", "workflow", "node_id"]
    list_filter = [WorkspaceFilter]
    list_select_related = ["workspace", "workflow"]
    id_fields = ["workflow"]
    exact_fields = ["path"]
    search_help_text = "A path, the id of a workflow, or a part of its name."


@admin.register(Schedule)
class ScheduleAdmin(ByWorkflowName, ReadOnly, admin.ModelAdmin[Schedule]):
    list_display = ["workflow", "node_id", "cron", "interval_seconds", "timezone", "next_at", "last_at", "last_error"]
    list_filter = ["missed"]
    list_select_related = ["workflow"]
    id_fields = ["workflow"]
    raw_id_fields = ["last_execution"]
    search_help_text = "The id of a workflow, or a part of its name."
