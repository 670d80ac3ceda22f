"""Routes the paths under /hooks/ to webhook triggers, and reserves paths for workspaces.

Triggers of the first workspace use their path as it is. In every other workspace the workspace's slug comes first, so
that no workspace can take a path of another. A path stays reserved for its workspace while a workflow exists that was
ever active with it: neither a deactivation nor a new slug routes its callers to another workflow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q

from executions.domain.graph import GraphProblem
from executions.models import WebhookClaim, WebhookRoute, Workflow
from executions.nodes.webhook_trigger import RESERVED, WebhookTrigger
from executions.triggers.path_parameters import canonical, has_parameters
from workflow_platform.core.accounts.models import Workspace


def triggers(nodes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the enabled webhook triggers among the nodes."""
    return [node for node in nodes if node["type"] == WebhookTrigger.type and not node.get("disabled")]


def hook_paths(workspace: Workspace, trigger_paths: Iterable[str]) -> dict[str, str]:
    """Return the canonical path under /hooks/ for each canonical trigger path of the workspace, whether its workflow is
    active or not."""
    named = set(trigger_paths)
    reserved = WebhookRoute.objects.filter(workspace=workspace, trigger_path__in=named)
    known = dict(reserved.values_list("trigger_path", "path"))
    prefix = _prefix(workspace) if named - known.keys() else ""
    return {path: prefix + path for path in named} | known


def _prefix(workspace: Workspace) -> str:
    if _first_workspace() == workspace.pk:
        return ""
    # A slug that is reserved under /hooks/ would be routed elsewhere; the id replaces it.
    return f"{workspace.pk if workspace.slug in RESERVED else workspace.slug}/"


def _first_workspace() -> UUID | None:
    return Workspace.objects.order_by("created_at", "pk").values_list("pk", flat=True).first()


def workspace_and_trigger_path(path: str) -> tuple[UUID, str] | None:
    """Return the workspace that owns or would own a path under /hooks/, and the trigger path; None if there is none."""
    if (route := WebhookRoute.objects.filter(pk=path).first()) is not None:
        return route.workspace_id, route.trigger_path
    first = _first_workspace()
    start, _, rest = path.partition("/")
    other = _with_prefix(start).exclude(pk=first).first() if rest else None
    if other is not None:
        return (other.pk, rest) if _prefix(other) == f"{start}/" else None
    return (first, path) if first else None


def _with_prefix(start: str) -> Any:
    """Return the workspaces whose paths may begin with `start`."""
    try:
        return Workspace.objects.filter(Q(slug=start) | Q(pk=UUID(start)))
    except ValueError:
        return Workspace.objects.filter(slug=start)


def connect(workflow: Workflow, nodes: Iterable[dict[str, Any]]) -> list[GraphProblem]:
    """Route exactly the paths of the nodes' webhook triggers to the workflow; without nodes, none.

    Runs in the caller's transaction. Returns a problem for each path that is not available; the caller must then roll
    back. A problem does not reveal the owner of the path.
    """
    written = {node["id"]: node["parameters"]["path"] for node in triggers(nodes)}
    path_by_node = {node_id: canonical(path) for node_id, path in written.items()}
    paths = hook_paths(workflow.workspace, path_by_node.values())
    WebhookRoute.objects.bulk_create(
        [
            WebhookRoute(path=path, workspace=workflow.workspace, trigger_path=trigger_path)
            for trigger_path, path in sorted(paths.items(), key=lambda pair: pair[1])
        ],
        ignore_conflicts=True,
    )
    rows = _locked(Q(pk__in=paths.values()) | Q(workflow=workflow))
    usable = {row.trigger_path: row for row in rows.values() if _is_available(workflow, row)}
    assigned: dict[str, str] = {}
    problems = []
    for node_id, trigger_path in path_by_node.items():
        if trigger_path in usable and trigger_path not in assigned:
            assigned[trigger_path] = node_id
        else:
            message = f"The path {written[node_id]!r} is already in use. Choose another path."
            problems.append(GraphProblem(node_id, None, "parameters.path", "taken", message))
    if not problems:
        _assign(workflow, rows.values(), assigned)
    return problems


def _locked(which: Q) -> Mapping[str, WebhookRoute]:
    """Return the routes by path, locked in the order of their paths to avoid deadlocks."""
    return {row.path: row for row in WebhookRoute.objects.select_for_update().filter(which).order_by("path")}


def _is_available(workflow: Workflow, row: WebhookRoute) -> bool:
    if row.workspace_id != workflow.workspace_id or row.workflow_id not in {None, workflow.pk}:
        return False
    if _meets_parameters_of_others(row):
        return False
    if row.path != row.trigger_path or "/" not in row.path or row.claims.exists():
        return True
    # An unused path without the prefix must not begin with the prefix of another workspace.
    start = row.path.partition("/")[0]
    return not _with_prefix(start).exclude(pk=workflow.workspace_id).exists()


def _meets_parameters_of_others(row: WebhookRoute) -> bool:
    """Return whether the path may match requests of another workspace's paths, since one of them has parameters. Only
    the first workspace and the one whose slug begins its paths can meet."""
    start, _, rest = row.path.partition("/")
    others = WebhookRoute.objects.filter(path__startswith=f"{start}/").exclude(workspace=row.workspace_id)
    return bool(rest) and (others if has_parameters(row.path) else others.filter(path__contains=":")).exists()


def _assign(workflow: Workflow, rows: Iterable[WebhookRoute], assigned: Mapping[str, str]) -> None:
    for row in rows:
        node_id = assigned.get(row.trigger_path) if row.workspace_id == workflow.workspace_id else None
        row.workflow, row.node_id = (workflow, node_id) if node_id is not None else (None, "")
        row.save(update_fields=["workflow", "node_id"])
        if node_id is not None:
            WebhookClaim.objects.get_or_create(route=row, workflow=workflow)


def release(workflow: Workflow) -> None:
    """Release the paths of a workflow that is being deleted, except those that another workflow was ever active with.
    Runs in the caller's transaction."""
    claimed: Sequence[str] = list(WebhookClaim.objects.filter(workflow=workflow).values_list("route_id", flat=True))
    rows = _locked(Q(pk__in=claimed) | Q(workflow=workflow))
    WebhookRoute.objects.filter(workflow=workflow).update(workflow=None, node_id="")
    WebhookClaim.objects.filter(workflow=workflow).delete()
    WebhookRoute.objects.filter(pk__in=rows.keys(), claims__isnull=True).delete()
