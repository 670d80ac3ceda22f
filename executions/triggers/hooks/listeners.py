"""Which webhook trigger listens at a path under /hooks/ or /hooks/test/, and what its parameters say."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from pydantic import ValidationError

from executions.models import WebhookRoute, Workflow, WorkflowVersion
from executions.nodes.webhook_trigger import PATH, WebhookTriggerParameters
from executions.triggers import webhook_paths
from webhooks.inbound.schemes import Scheme, credentials_of
from workflow_platform.core.validation import first_error

MOST_CANDIDATES = 20
_PATH = re.compile(PATH)


@dataclass(frozen=True, slots=True)
class Listener:
    """A workflow's webhook trigger; `parameters` is None where they are not valid, and `problem` says why."""

    workflow: Workflow
    version: WorkflowVersion
    node_id: str
    parameters: WebhookTriggerParameters | None
    problem: str = ""

    @property
    def auth(self) -> Scheme | None:
        """Return how callers prove who they are."""
        return self.parameters.auth if self.parameters else None

    @property
    def credentials(self) -> list[tuple[UUID, str]]:
        """Return workspace and reference of each credential that proves who calls."""
        names = credentials_of(self.auth) if self.auth else []
        return [(self.workflow.workspace_id, name) for name in names]


def listening(paths: Collection[str]) -> dict[str, Listener]:
    """Return the active webhook triggers that have the paths."""
    paths = {path for path in paths if _PATH.fullmatch(path)}
    if not paths:
        return {}
    routes = WebhookRoute.objects.filter(workflow__isnull=False).select_related("workflow")
    return {
        path: listener(route.workflow, route.node_id)
        for path, route in routes.defer("workflow__description").in_bulk(paths).items()
        if route.workflow is not None and route.workflow.latest_version_id is not None
    }


def tested(path: str) -> Listener | None:
    """Return the webhook trigger that the test URL of a path leads to, also of inactive workflows.

    The active one has it; without one, of the workflows of the workspace whose path it is that name it, the one that
    has existed longest. A path that begins with a workflow's id leads to that workflow, whoever else names the rest.
    """
    if not _PATH.fullmatch(path):
        return None
    first, _, rest = path.partition("/")
    try:
        of_workflow = UUID(first)
    except ValueError:
        pass
    else:
        if rest and (found := _naming(rest, workflow=of_workflow)):
            return found
    if (active := listening([path]).get(path)) is not None:
        return active
    owner = webhook_paths.workspace_and_trigger_path(path)
    return _naming(owner[1], workspace=owner[0]) if owner else None


_NAMING = """
SELECT w.* FROM executions_workflow w JOIN executions_workflowversion v ON v.id = w.latest_version_id
WHERE jsonb_path_query_array(v.nodes, '$[*].parameters.path') ? %s AND w.deleted_at IS NULL
  AND (w.id = %s::uuid OR w.workspace_id = %s::uuid)
ORDER BY w.created_at, w.id LIMIT %s
"""


def _naming(trigger_path: str, workflow: UUID | None = None, workspace: UUID | None = None) -> Listener | None:
    """Return the trigger with the path that has existed longest: of the workflow, or of the workspace."""
    for found in Workflow.objects.raw(_NAMING, [trigger_path, workflow, workspace, MOST_CANDIDATES]):
        assert found.latest_version_id is not None
        for node in webhook_paths.triggers(_version(found.latest_version_id).nodes):
            if node["parameters"].get("path") == trigger_path:
                return listener(found, node["id"])
    return None


def listener(workflow: Workflow, node_id: str) -> Listener:
    """Return a trigger of the workflow's latest version."""
    assert workflow.latest_version_id is not None
    return Listener(
        workflow, _version(workflow.latest_version_id), node_id, *_read(workflow.latest_version_id, node_id)
    )


@lru_cache(maxsize=256)
def _version(version_id: UUID) -> WorkflowVersion:
    """Return a version from memory: it never changes."""
    return WorkflowVersion.objects.get(pk=version_id)


@lru_cache(maxsize=1024)
def _read(version_id: UUID, node_id: str) -> tuple[WebhookTriggerParameters | None, str]:
    """Return a trigger's parameters. Those that are not valid refuse everybody: they may be meant to keep somebody
    out."""
    given = next((n["parameters"] for n in _version(version_id).nodes if n["id"] == node_id), None)
    if given is None:
        return None, "The workflow has no such trigger any more."
    try:
        return WebhookTriggerParameters.model_validate(given), ""
    except ValidationError as error:
        return None, f"The trigger's parameters are invalid. {first_error(error, values=False)}"
