"""Changes of workflows: validation, versions, activation, deletion. Each change appends its event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError

from events import log
from events.log import NewEvent
from executions import credentials
from executions.domain.graph import Graph, GraphProblem, InvalidGraph, Node, pydantic_problems, validate
from executions.domain.workflow_settings import WorkflowSettings
from executions.models import Workflow, WorkflowVersion
from executions.nodes.registry import node_types
from executions.sandbox.checking import check_graph, check_template
from executions.triggers import schedules, webhook_paths
from executions.workflows.url_checks import refused_urls
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.sandbox.checking import CheckFailed, Text

SOURCE = "executions.definitions"


class StaleVersion(Exception):
    """The workflow has a newer version than the one that the change is based on."""

    def __init__(self, base: int, latest: WorkflowVersion) -> None:
        super().__init__(f"Version {base} is not the latest version: {latest.number} is.")
        self.latest = latest


def check(
    nodes: object,
    edges: object,
    workspaces: Sequence[UUID] | None,
    name: str = "",
    refused: Sequence[GraphProblem] = (),
    *,
    group: str,
    verdicts: Mapping[Text, str | None] | None = None,
) -> Graph:
    """Validate a definition and return its graph. Raises InvalidGraph with all problems, including `refused` from
    `refused_urls`.

    The credentials, workflows and users that it names must exist in one of `workspaces`; None skips this check for
    callers who may not see them. `name` is the workflow's own name. `group`, a workspace or user, is charged for the
    syntax check; `verdicts` are its results, if known. Raises Unavailable if the syntax check does not respond.
    """
    graph = Graph.parse(nodes, edges, settings.WORKFLOW_MAX_NODES, settings.WORKFLOW_MAX_EDGES)
    known = _verdicts(graph, None, group) if verdicts is None else verdicts

    def check_syntax(template: str) -> str | None:
        text = ("template", template)
        return known[text] if text in known else check_template(template, group)

    problems = validate(graph, node_types(), check_syntax)
    problems += [*_repeated_names(graph), *refused, *_credential_problems(graph, workspaces)]
    if workspaces is not None and not problems:
        problems = [problem for node in graph.nodes.values() for problem in _unknown_names(node, workspaces, name)]
    if problems:
        raise InvalidGraph(problems)
    return graph


def _repeated_names(graph: Graph) -> list[GraphProblem]:
    """Return a problem for each node with the name or id of a node before it: `$("X")` must mean one node."""
    owners, problems = {node_id: node_id for node_id in graph.nodes}, list[GraphProblem]()
    for node in graph.nodes.values():
        owner = owners.setdefault(node.label, node.id)
        if owner != node.id:
            message = f"The name {node.label!r} belongs to the node {owner!r}. Give each node a name of its own."
            problems.append(GraphProblem(node.id, None, "name", "duplicate", message))
    return problems


def _verdicts(graph: Graph, key: object, group: str) -> dict[Text, str | None]:
    """Return the results of the syntax check of all JavaScript in a workflow. Raises InvalidGraph, Unavailable."""
    try:
        return check_graph(graph, key, group)
    except CheckFailed as error:
        raise InvalidGraph([GraphProblem(None, None, "nodes", "check_failed", str(error))]) from None


def _unknown_names(node: Node, workspaces: Sequence[UUID], name: str) -> list[GraphProblem]:
    """Return a problem for each object that the node names and none of the workspaces has."""
    node_type, problems = node_types()[node.type], []
    for workspace in workspaces:
        problems = node_type.check_in_workspace(node.parameters, workspace, name)
        if not problems:
            break
    return [GraphProblem(node.id, None, path, code, message) for path, code, message in problems]


def _credential_problems(graph: Graph, workspaces: Sequence[UUID] | None) -> list[GraphProblem]:
    uses = [(node.id, path, name) for node in graph.nodes.values() for path, name in _credentials_of(node)]
    names = {name for _, _, name in uses if "{{" not in name}
    missing = credentials.unknown(names, workspaces) if workspaces is not None and names else set()
    problems = []
    for node_id, path, name in uses:
        if "{{" in name:
            # Otherwise the sender of the items could choose any credential of the workspace.
            message = "A credential cannot be named by an expression. Use its name or id."
            problems.append(GraphProblem(node_id, None, path, "expression", message))
        elif name in missing:
            message = f"There is no credential {name!r} in this workspace."
            problems.append(GraphProblem(node_id, None, path, "unknown_credential", message))
    return problems


def _credentials_of(node: Node) -> Iterator[tuple[str, str]]:
    """Yield (field, name or id) for each credential that a node uses."""
    if node.credentials:
        yield "credentials", node.credentials
    node_type = node_types().get(node.type)
    if node_type is not None:
        yield from node_type.credentials_of(node.parameters)


@dataclass(frozen=True, slots=True)
class Checked:
    """The results of the checks that call other systems, made before the transaction that saves the definition."""

    refused: list[GraphProblem] = field(default_factory=list)
    verdicts: Mapping[Text, str | None] = field(default_factory=dict)


def check_ahead(workspace: Workspace, definition: dict[str, Any], workflow: Workflow | None = None) -> Checked:
    """Resolve the hosts that a definition calls, and check its syntax. Both take time: call it outside a transaction.

    Raises InvalidGraph, Unavailable.
    """
    before = workflow.latest_version if workflow is not None else None
    nodes = definition.get("nodes", before.nodes if before else None)
    edges = definition.get("edges", before.edges if before else [])
    concurrency = (definition.get("settings") or {}).get("concurrency")
    key = concurrency.get("key") if isinstance(concurrency, dict) else None
    graph = Graph.parse(nodes, edges, settings.WORKFLOW_MAX_NODES)
    return Checked(refused_urls(definition.get("nodes")), _verdicts(graph, key, str(workspace.pk)))


def save_workflow(
    *,
    workspace: Workspace,
    definition: dict[str, Any],
    by: User | None,
    workflow: Workflow | None = None,
    checked: Checked | None = None,
    base_version: int | None = None,
) -> Workflow:
    """Create a workflow, or save a new version of `workflow`. `definition` is `{name, description, nodes, edges,
    settings, active}`; for an existing workflow, only the fields that change. `checked` is the result of
    `check_ahead`; a caller within a transaction must pass it. With `base_version`, the number of the version that the
    change is based on, a newer version is never overwritten. Raises InvalidGraph, StaleVersion, Unavailable."""
    checked = checked or check_ahead(workspace, definition, workflow)
    return _save(workspace, definition, by, workflow, checked, base_version)


@transaction.atomic
def _save(
    workspace: Workspace,
    definition: dict[str, Any],
    by: User | None,
    workflow: Workflow | None,
    checked: Checked,
    base_version: int | None,
) -> Workflow:
    created = workflow is None
    if workflow is None:
        workflow_id = uuid7()
        stream = log.open_stream(f"workflow:{workflow_id}", workspace.pk)
        workflow = Workflow(id=workflow_id, workspace=workspace, stream=stream, created_by=by)
    else:
        workflow = Workflow.objects.select_for_update(of=("self",)).select_related("latest_version").get(pk=workflow.pk)
    before = workflow.latest_version
    if before is not None and base_version is not None and base_version != before.number:
        raise StaleVersion(base_version, before)
    nodes = definition.get("nodes", before.nodes if before else None)
    edges = definition.get("edges", before.edges if before else [])
    name, group = definition.get("name", workflow.name), str(workspace.pk)
    check(nodes, edges, [workspace.pk], name, checked.refused, group=group, verdicts=checked.verdicts)
    settings_ = definition.get("settings", before.settings if before else {})
    limits = _checked_settings(settings_, workspace, workflow, checked.verdicts)
    workflow.name = definition.get("name", workflow.name)
    workflow.description = definition.get("description", workflow.description)
    workflow.latest_version = None if created else before
    for column, value in limits.columns().items():
        setattr(workflow, column, value)
    workflow.save()
    workflow.latest_version = WorkflowVersion.objects.create(
        workflow=workflow,
        number=before.number + 1 if before else 1,
        nodes=nodes,
        edges=edges,
        settings=settings_,
        created_by=by,
    )
    workflow.save()
    _append_event(workflow, "created" if created else "updated", by)
    active = definition.get("active", workflow.active)
    if active != workflow.active:
        set_active(workflow, active, by)
    elif active:
        _connect_triggers(workflow)
    return workflow


@transaction.atomic
def rename_workflow(workflow: Workflow, by: User | None, **details: str) -> Workflow:
    """Change the name, the description or both. Versions have neither, so there is no new one."""
    workflow = Workflow.objects.select_for_update(of=("self",)).select_related("latest_version").get(pk=workflow.pk)
    for name, value in details.items():
        setattr(workflow, name, value)
    workflow.save(update_fields=[*details, "updated_at"])
    _append_event(workflow, "updated", by)
    return workflow


def _checked_settings(
    raw: object, workspace: Workspace, workflow: Workflow, verdicts: Mapping[Text, str | None]
) -> WorkflowSettings:
    """Return the validated settings. Raises InvalidGraph that names the setting."""
    try:
        validated = WorkflowSettings.model_validate(raw)
    except ValidationError as error:
        raise InvalidGraph(pydantic_problems(error, None, None, "settings")) from None
    key = validated.concurrency.key if validated.concurrency else None
    if key is not None:
        text = ("template", key)
        problem = verdicts[text] if text in verdicts else check_template(key, str(workspace.pk))
        if problem is not None:
            raise InvalidGraph([GraphProblem(None, None, "settings.concurrency.key", "expression", problem)])
    handler = validated.error_workflow
    if handler is not None and (
        handler == workflow.pk or not Workflow.objects.filter(workspace=workspace, pk=handler).exists()
    ):
        message = f"There is no other workflow with the id {handler} in this workspace."
        raise InvalidGraph([GraphProblem(None, None, "settings.error_workflow", "unknown", message)])
    return validated


@transaction.atomic
def set_active(workflow: Workflow, active: bool, by: User | None) -> None:
    """Activate or deactivate the workflow's triggers. Raises InvalidGraph if a webhook path is in use."""
    workflow.active = active
    workflow.save(update_fields=["active", "updated_at"])
    workflow.refresh_from_db(fields=["latest_version"])  # the latest under the row lock, which the save holds
    _connect_triggers(workflow)
    _append_event(workflow, "activated" if active else "deactivated", by)


@transaction.atomic
def delete_workflow(workflow: Workflow, by: User | None) -> None:
    """Delete the workflow. Its executions and their history remain."""
    if workflow.active:
        set_active(workflow, False, by)
    workflow.deleted_at = timezone.now()
    workflow.save(update_fields=["deleted_at", "updated_at"])
    webhook_paths.release(workflow)
    _append_event(workflow, "deleted", by)


def definition_of_copy(workflow: Workflow) -> dict[str, Any]:
    """Return the definition of a copy of the workflow."""
    version = workflow.latest_version
    assert version is not None
    return {
        "name": f"{workflow.name[:190]} (copy)",
        "description": workflow.description,
        "nodes": version.nodes,
        "edges": version.edges,
        "settings": version.settings,
    }


def clone_workflow(workflow: Workflow, by: User | None, checked: Checked | None = None) -> Workflow:
    """Return an inactive copy with version 1. `checked` is the result of `check_ahead` for `definition_of_copy`."""
    definition = definition_of_copy(workflow)
    checked = checked or check_ahead(workflow.workspace, definition)
    with transaction.atomic():
        copy = save_workflow(workspace=workflow.workspace, definition=definition, by=by, checked=checked)
        _append_event(copy, "cloned", by, cloned_from=str(workflow.pk))
    return copy


def _connect_triggers(workflow: Workflow) -> None:
    """Connect the workflow's webhook paths and schedules while it is active, and disconnect them otherwise."""
    schedules.synchronize(workflow)
    nodes = workflow.latest_version.nodes if workflow.active and workflow.latest_version else []
    if problems := webhook_paths.connect(workflow, nodes):
        raise InvalidGraph(problems)


def _append_event(workflow: Workflow, change: str, by: User | None, **details: Any) -> None:
    version = workflow.latest_version.number if workflow.latest_version else None
    data = {"name": workflow.name, "version": version, "by": by.get_username() if by else None} | details
    log.append([NewEvent(workflow.stream_id, f"workflow.{change}", data, SOURCE, workflow_id=workflow.pk)])
