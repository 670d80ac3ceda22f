"""Finds the webhook trigger for a path under /hooks/ or /hooks/test/, with its parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from pydantic import ValidationError

from executions.models import WebhookRoute, Workflow, WorkflowVersion
from executions.nodes.webhook_trigger import WebhookTriggerParameters
from executions.triggers import webhook_paths
from executions.triggers.path_parameters import candidates, canonical, decoded_path, parameters_of
from webhooks.inbound.schemes import Scheme, credentials_of
from workflow_platform.core.validation import first_error

MAX_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Listener:
    """A workflow's webhook trigger. `parameters` is None if they are invalid; `problem` then explains why."""

    workflow: Workflow
    version: WorkflowVersion
    node_id: str
    parameters: WebhookTriggerParameters | None
    problem: str = ""
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    """The values of the parameters of its path in the request."""

    @property
    def auth(self) -> Scheme | None:
        """Return the authentication scheme."""
        return self.parameters.auth if self.parameters else None

    @property
    def credentials(self) -> list[tuple[UUID, str]]:
        """Return workspace and reference of each credential of the authentication scheme."""
        names = credentials_of(self.auth) if self.auth else []
        return [(self.workflow.workspace_id, name) for name in names]


def listening(paths: Collection[str]) -> dict[str, Listener]:
    """Return the active webhook triggers by the paths of requests (`HookRequest.requested_path`).

    The most specific path decides, also if no active workflow has it: a deactivation leads its callers nowhere else.
    """
    options = {path: candidates(path) for path in paths}
    known = {option for found in options.values() for option in found}
    if not known:
        return {}
    routes = WebhookRoute.objects.select_related("workflow").defer("workflow__description").in_bulk(known)
    found = {}
    for path, ordered in options.items():
        route = next((routes[option] for option in ordered if option in routes), None)
        if route is not None and route.workflow is not None and route.workflow.latest_version_id is not None:
            found[path] = listener(route.workflow, route.node_id, path)
    return found


def tested(path: str) -> Listener | None:
    """Return the webhook trigger for the test URL of a path; its workflow may be inactive.

    The active workflow with the path comes first, then the oldest workflow with the path in the workspace that the
    path belongs to. A path that begins with a workflow's id always selects that workflow.
    """
    if not candidates(path):
        return None
    start, _, rest = path.partition("/")
    try:
        workflow_id = UUID(start)
    except ValueError:
        pass
    else:
        if rest and (trigger := _of_workflow(workflow_id, rest)):
            return trigger
    if (active := listening([path]).get(path)) is not None:
        return active
    owner = webhook_paths.workspace_and_trigger_path(decoded_path(path))
    return _with_path(owner[1], workspace=owner[0]) if owner else None


def _of_workflow(workflow_id: UUID, path: str) -> Listener | None:
    """Return the trigger of a workflow that matches a path; one with the path itself goes first."""
    workflow = Workflow.objects.filter(pk=workflow_id, deleted_at__isnull=True, latest_version__isnull=False).first()
    if workflow is None or workflow.latest_version_id is None:
        return None
    triggers = webhook_paths.triggers(_version(workflow.latest_version_id).nodes)
    by_route = {canonical(str(node["parameters"].get("path"))): node["id"] for node in triggers}
    node_id = next((by_route[option] for option in candidates(path) if option in by_route), None)
    return None if node_id is None else listener(workflow, node_id, path)


_WITH_PATH = """
SELECT w.* FROM executions_workflow w JOIN executions_workflowversion v ON v.id = w.latest_version_id
WHERE jsonb_path_query_array(v.nodes::jsonb, '$[*].parameters.path') ? %s AND w.deleted_at IS NULL
  AND w.workspace_id = %s::uuid
ORDER BY w.created_at, w.id LIMIT %s
"""


def _with_path(trigger_path: str, workspace: UUID) -> Listener | None:
    """Return the oldest trigger of the workspace with the path."""
    for candidate in Workflow.objects.raw(_WITH_PATH, [trigger_path, workspace, MAX_CANDIDATES]):
        assert candidate.latest_version_id is not None
        for node in webhook_paths.triggers(_version(candidate.latest_version_id).nodes):
            if node["parameters"].get("path") == trigger_path:
                return listener(candidate, node["id"], trigger_path)
    return None


def listener(workflow: Workflow, node_id: str, path: str) -> Listener:
    """Return a trigger of the workflow's latest version, called at a path."""
    assert workflow.latest_version_id is not None
    parameters, problem = _read(workflow.latest_version_id, node_id)
    values = parameters_of(parameters.path, path) if parameters else {}
    return Listener(workflow, _version(workflow.latest_version_id), node_id, parameters, problem, values)


@lru_cache(maxsize=256)
def _version(version_id: UUID) -> WorkflowVersion:
    """Return a version from the cache; versions are immutable."""
    return WorkflowVersion.objects.get(pk=version_id)


@lru_cache(maxsize=1024)
def _read(version_id: UUID, node_id: str) -> tuple[WebhookTriggerParameters | None, str]:
    """Return a trigger's parameters, or None and the problem. A trigger with invalid parameters refuses every request,
    since they may restrict the callers."""
    given = next((n["parameters"] for n in _version(version_id).nodes if n["id"] == node_id), None)
    if given is None:
        return None, "The workflow no longer has this trigger."
    try:
        return WebhookTriggerParameters.model_validate(given), ""
    except ValidationError as error:
        return None, f"The trigger's parameters are invalid. {first_error(error, values=False)}"
