"""The pages: server-rendered; what changes on them comes over the event stream."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from events import log
from events.models import FEED
from executions.graph import Graph
from executions.layout import layout
from executions.models import Execution, Workflow, WorkflowVersion
from executions.nodes.registry import node_types
from executions.statuses import ExecutionStatus
from workflow_platform.accounts.models import Role
from workflow_platform.accounts.shortcuts import get_visible_or_404

LISTED = 50


def graph_data(version: WorkflowVersion) -> dict[str, Any]:
    """Return what `static/js/graph.js` draws: nodes with their type's label, and the layout."""
    graph = Graph.parse(version.nodes, version.edges, 10**6)
    types = node_types()
    nodes = [
        {"id": n.id, "name": n.label, "type": n.type, "label": types[n.type].label if n.type in types else n.type}
        for n in graph.nodes.values()
    ]
    return {"nodes": nodes, "layout": layout(graph)}


@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    """The executions that the caller may see, live. The feed's head is read first, so that nothing falls between."""
    head = log.head(FEED)
    status = request.GET.get("status", "")
    found = Execution.objects.visible_to(request.user).select_related("workflow").order_by("-id")
    if status in {s.value for s in ExecutionStatus}:
        found = found.filter(status=status)
    context = {
        "executions": found[:LISTED],
        "status": status,
        "statuses": [s.value for s in ExecutionStatus],
        "page_data": {"head": head, "status": status},
    }
    return render(request, "executions/dashboard.html", context)


@login_required
def workflows(request: HttpRequest) -> HttpResponse:
    """The workflows that the caller may see."""
    found = Workflow.objects.visible_to(request.user).filter(deleted_at__isnull=True).select_related("latest_version")
    return render(request, "executions/workflows.html", {"workflows": found[:200]})


@login_required
def workflow(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """A workflow: its graph, its JSON, a form to run it, its recent executions."""
    found = Workflow.objects.filter(deleted_at__isnull=True).select_related("latest_version")
    row = get_visible_or_404(found, request.user, pk=workflow_id)
    version = row.latest_version
    if version is None:
        raise ValueError(f"workflow {row.pk} has no version")
    context = {
        "workflow": row,
        "executions": row.executions.order_by("-id")[:20],
        "can_run": _can_run(request, row),
        "page_data": {
            "workflow": str(row.pk),
            "graph": graph_data(version),
            "definition": {"nodes": version.nodes, "edges": version.edges},
            "sample_input": version.settings.get("sample_input", []),
        },
    }
    return render(request, "executions/workflow.html", context)


@login_required
def monitor(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    """The live monitor. Everything that moves on it is folded from the stream, from its first event on."""
    found = Execution.objects.select_related("workflow", "version")
    row = get_visible_or_404(found, request.user, pk=execution_id)
    context = {
        "execution": row,
        "can_run": _can_run(request, row.workflow),
        "page_data": {
            "execution": str(row.pk),
            "graph": graph_data(row.version),
            "server_time": timezone.now().isoformat(),
        },
    }
    return render(request, "executions/monitor.html", context)


def _can_run(request: HttpRequest, row: Workflow) -> bool:
    return Workflow.objects.visible_to(request.user, Role.EDITOR).filter(pk=row.pk).exists()
