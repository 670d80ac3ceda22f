"""Finds the workflows that use a credential, in their latest versions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from executions.models import Credential

# The fields `credential` and `signing_credential` of a node's parameters, the fields of a trigger's `auth`, and the
# node's field `credentials`.
_USES = """
SELECT DISTINCT w.workspace_id, used.reference #>> '{}', w.id, w.name
FROM executions_workflow w
JOIN executions_workflowversion v ON v.id = w.latest_version_id
CROSS JOIN LATERAL (
    SELECT jsonb_path_query(v.nodes::jsonb, '$[*].parameters.credential') AS reference
    UNION SELECT jsonb_path_query(v.nodes::jsonb, '$[*].parameters.signing_credential')
    UNION SELECT jsonb_path_query(v.nodes::jsonb, '$[*].credentials')
    UNION SELECT jsonb_path_query(v.nodes::jsonb, '$[*].parameters.auth.credential')
    UNION SELECT jsonb_path_query(v.nodes::jsonb, '$[*].parameters.auth.also[*]')
) AS used
WHERE w.workspace_id = ANY(%s) AND w.deleted_at IS NULL
ORDER BY w.name, w.id
"""


@dataclass(frozen=True, slots=True)
class Use:
    """A workflow that uses a credential."""

    workflow_id: UUID
    workflow: str
    by_name: bool
    """Whether it refers to the name; a new name then breaks the workflow."""


def uses_of(credentials: Sequence[Credential]) -> dict[UUID, list[Use]]:
    """Return the uses of each credential by its id, with one query."""
    with connection.cursor() as cursor:
        cursor.execute(_USES, [list({credential.workspace_id for credential in credentials})])
        rows = cursor.fetchall()
    uses: dict[tuple[UUID, str], list[tuple[UUID, str]]] = defaultdict(list)
    for workspace_id, reference, workflow_id, name in rows:
        uses[workspace_id, reference].append((workflow_id, name))
    result: dict[UUID, list[Use]] = {}
    for credential in credentials:
        by_name = uses[credential.workspace_id, credential.name]
        by_id = uses[credential.workspace_id, str(credential.pk)]
        result[credential.pk] = [Use(*workflow, by_name=True) for workflow in by_name]
        result[credential.pk] += [Use(*workflow, by_name=False) for workflow in by_id if workflow not in by_name]
    return result
