"""The pages of workflows and executions: rendered by the server, kept current by the event stream.

A live page reads the head of its stream before its rows. An event that is committed in between is sent again and not
missed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils import timezone

from events import log
from events.catalogue.stream_names import FEED, WORKFLOW
from events.replay import reading as replay_reading
from events.replay.models import Replay, ReplayStatus, ReplayTarget
from executions.admission.explanation import explain
from executions.domain.graph import Graph
from executions.domain.node_groups import node_groups
from executions.domain.statuses import ExecutionStatus
from executions.listing.columns import USUAL, columns_of
from executions.models import Execution, NodeGrouping, Workflow, WorkflowVersion
from executions.nodes.registry import node_types
from executions.overview.expected import expected
from executions.pages import relations
from executions.pages.dashboard import executions_of
from executions.pages.layout import layout
from executions.pages.listing import workflows_with_runs
from executions.triggers import schedules
from executions.triggers.hooks import pages as hook_pages
from executions.workflows.shown_definitions import for_viewers, settings_for_viewers
from webhooks.models import Delivery
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.workspace_choice import in_shown_workspace, offered
from workflow_platform.core.api.page_filters import uuid_or_none
from workflow_platform.core.requests.hooks_host import hooks_url

RECENT = 15
VERSIONS = 30
SHOWN_CHILDREN = 10
RERUNS = 5
MAX_COUNTED = 10_000
PANEL_SIZES = ((6, "small"), (14, "medium"))
"""Timeline and inspector are as high as so many nodes need; with more they are large."""
MIN_HEIGHT, MAX_HEIGHT = 180, 480
"""Of the graph, as in viewport.js: the page keeps the room before the script draws it."""


def graph_data(version: WorkflowVersion) -> dict[str, Any]:
    """Return the data of `static/js/graph.js`: nodes with the label and icon of their type, and the layout."""
    graph = Graph.parse(version.nodes, version.edges, 10**6)
    types, components = node_types(), graph.components
    nodes = []
    for node in graph.nodes.values():
        node_type = types.get(node.type)  # None if the package that added the type was removed
        appearance = (
            {"label": node_type.label, "icon": node_type.icon} if node_type else {"label": node.type, "icon": "dot"}
        )
        nodes.append(
            {
                "id": node.id,
                "name": node.label,
                "type": node.type,
                "trigger": bool(node_type and node_type.trigger),
                "cycle": cycle if components.cyclic[cycle := components.of[node.id]] else None,
            }
            | appearance
        )
    return {"nodes": nodes, "layout": layout(graph)}


@login_required
def workflows(request: HttpRequest) -> HttpResponse:
    """List the workflows that the caller may see, with their latest executions."""
    head = log.head(FEED)
    user = _user(request)
    text = request.GET.get("q", "").strip()[:200]
    editor_of = offered(user, Role.EDITOR)
    editable = {workspace.pk for workspace in editor_of}
    types = node_types()
    rows = []
    for row in in_shown_workspace(workflows_with_runs(user, text), user)[:200]:
        nodes = row.latest_version.nodes if row.latest_version else []
        triggers = [
            types[node["type"]].label for node in nodes if node["type"] in types and types[node["type"]].trigger
        ]
        rows.append({"row": row, "nodes": len(nodes), "triggers": triggers, "editable": row.workspace_id in editable})
    context = {
        "workflows": rows,
        "q": text,
        "can_create": bool(editable),
        "workspaces": editor_of,
        "page_data": {"head": head},
    }
    return render(request, "executions/workflows.html", context)


@login_required
def workflow(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """Show a workflow: graph, definition, a form to run it, versions (`?version=N` opens one) and executions."""
    user = _user(request)
    rows = Workflow.objects.filter(deleted_at__isnull=True).select_related("latest_version", "workspace")
    row = get_visible_or_404(rows, user, pk=workflow_id)
    stream = f"{WORKFLOW}{row.pk}"
    head = log.head(stream)
    versions = row.versions.select_related("created_by").defer("edges").order_by("-number")
    version = _version(row, request.GET.get("version"))
    hooks = hook_pages.hooks_of(row, version)
    can_run = _can_run(request, row)
    context = {
        "workflow": row,
        "version": version,
        "versions": versions[:VERSIONS],
        "hooks": hooks,
        "schedules": schedules.listed(row, version),
        "hook_base": f"{hooks_url()}/hooks/" if settings.HOOKS_HOST else request.build_absolute_uri("/hooks/"),
        "executions": executions_of(row, RECENT),
        "columns": columns_of(USUAL),
        "can_run": can_run,
        "page_data": {
            "workflow": str(row.pk),
            "version": version.number,
            "latest_version": row.latest_version.number if row.latest_version else None,
            "graph": graph_data(version),
            "definition": {
                "name": row.name,
                "description": row.description,
                "nodes": version.nodes if can_run else for_viewers(version.nodes),
                "edges": version.edges,
                "settings": version.settings if can_run else settings_for_viewers(version.settings),
            },
            "sample_input": version.settings.get("sample_input", []) if can_run else [],
            "hook_requests": hook_pages.latest(row) if hooks else [],
            "icons": static("icons.svg"),
        },
        "list_data": {
            "stream": stream,
            "head": head,
            "grows": True,
            "filters": f"workflow={row.pk}&in_workflow=1",
        },
    }
    return render(request, "executions/workflow.html", context)


def _version(row: Workflow, number: str | None) -> WorkflowVersion:
    """Return the version with the given number, or the latest. Raises Http404."""
    if not number:
        if row.latest_version is None:
            raise ValueError(f"The workflow {row.pk} has no version.")
        return row.latest_version
    version = row.versions.filter(number=int(number)).first() if number.isdecimal() and len(number) < 9 else None
    if version is None:
        raise Http404
    return version


@login_required
def monitor(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    """Show the live monitor of an execution.

    Its state is folded from the stream: from the first event on or, for a long stream, from the rows and the events
    near the head. If retention has removed the events, it shows the rows.
    """
    executions = Execution.objects.select_related(
        "workflow__latest_version", "version", "stream", "parent__workflow", "parent_run"
    )
    row = get_visible_or_404(executions, request.user, pk=execution_id)
    reruns = list(row.reruns.only("pk", "status").order_by("-id")[: RERUNS + 1])
    labels = {node["id"]: node.get("name") or node["id"] for node in row.version.nodes}
    handled = uuid_or_none(relations.handled_error(row))
    replay = _replay(request, row)
    if "replay" in request.GET and replay is None:
        return redirect("monitor", execution_id=row.pk)
    graph = graph_data(row.version)
    context = {
        "execution": row,
        "replay": replay,
        "graph_height": round(max(MIN_HEIGHT, min(MAX_HEIGHT, graph["layout"]["height"]))),
        "panels_size": next((size for most, size in PANEL_SIZES if len(graph["nodes"]) <= most), "large"),
        "ended": row.ended_at is not None,
        "resumable": row.status == ExecutionStatus.PAUSED or row.pause_request is not None,
        "reruns": reruns[:RERUNS],
        "more_reruns": len(reruns) > RERUNS,
        "rerun_from": labels.get(row.rerun_from, row.rerun_from),
        "can_run": replay is None and _can_run(request, row.workflow),
        "queue": None if replay else explain(row, _user(request)),
        "parent": relations.parent_of(row),
        "children": relations.children_of(row)[:SHOWN_CHILDREN],
        "more_children": max(0, Execution.objects.filter(parent=row)[:MAX_COUNTED].count() - SHOWN_CHILDREN),
        "handled": str(handled) if handled else None,
        "removed_at": row.stream.removed_at,
        "deliveries": Delivery.objects.filter(execution_id=row.pk)[:MAX_COUNTED].count(),
        "page_data": {
            "execution": str(row.pk),
            "replay": replay,
            "head": row.stream.last_sequence,
            "removed": row.stream.removed_at is not None,
            "pausing": row.pause_request is not None,
            "rerun_of": str(row.rerun_of_id) if row.rerun_of_id else None,
            "trigger_node": row.trigger_node,
            "graph": graph,
            "expected": asdict(expected(row)),
            "server_time": timezone.now().isoformat(),
            "queued_at": row.queued_at.isoformat(),
            "groups": _groups(request, row),
            "icons": static("icons.svg"),
        },
    }
    return render(request, "executions/monitor.html", context)


def _groups(request: HttpRequest, row: Execution) -> dict[str, Any]:
    """Return the groups that the graph can be collapsed by, and those of the user."""
    found = NodeGrouping.objects.filter(user=_user(request), workflow=row.workflow_id).first()
    return {
        "workflow": str(row.workflow_id),
        "offered": [asdict(group) for group in node_groups(Graph.parse(row.version.nodes, row.version.edges, 10**6))],
        "own": found.own if found else [],
        "collapsed": found.collapsed if found else [],
    }


def _replay(request: HttpRequest, row: Execution) -> dict[str, Any] | None:
    """Return the state of the replay in the query; None if there is none to show."""
    replay_id = uuid_or_none(request.GET.get("replay"))
    if replay_id is None:
        return None
    replays = Replay.objects.visible_to(request.user)
    replay = replays.filter(pk=replay_id, target=ReplayTarget.STREAM, filter__execution=str(row.pk)).first()
    if replay is None:
        return None
    facts = replay_reading.facts(replay, replay_reading.database_now())
    if facts["state"] in {ReplayStatus.CANCELLED, ReplayStatus.EXPIRED} or not replay.total:
        return None
    return facts | {"id": str(replay.pk), "first_time": replay.first_time and replay.first_time.isoformat()}


@login_required
def queue(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    """The monitor's card that explains why an execution is queued; empty when it is not. The card polls itself."""
    row = get_visible_or_404(Execution.objects.select_related("workflow"), request.user, pk=execution_id)
    return render(request, "executions/_queue.html", {"execution": row, "queue": explain(row, _user(request))})


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _can_run(request: HttpRequest, row: Workflow) -> bool:
    return Workflow.objects.visible_to(request.user, Role.EDITOR).filter(pk=row.pk).exists()


def _is_editor(user: User) -> bool:
    return Workspace.objects.visible_to(user, Role.EDITOR).exists()
