"""Which workflows use which credentials, by the latest version of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from executions.models import Credential

# The fields `credential` and `signing_credential` of a node's parameters, those of a trigger's `auth`, and the node's
# own field `credentials`.
_USES = """
SELECT DISTINCT w.workspace_id, used.reference #>> '{}', w.id, w.name
FROM executions_workflow w
JOIN executions_workflowversion v ON v.id = w.latest_version_id
CROSS JOIN LATERAL (
    SELECT jsonb_path_query(v.nodes, '$[*].parameters.credential') AS reference
    UNION SELECT jsonb_path_query(v.nodes, '$[*].parameters.signing_credential')
    UNION SELECT jsonb_path_query(v.nodes, '$[*].credentials')
    UNION SELECT jsonb_path_query(v.nodes, '$[*].parameters.auth.credential')
    UNION SELECT jsonb_path_query(v.nodes, '$[*].parameters.auth.also[*]')
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
    """Rather than by its id, hence broken by a new name."""


def uses_of(credentials: Sequence[Credential]) -> dict[UUID, list[Use]]:
    """Return the uses of each credential, by its id, with one query for all."""
    with connection.cursor() as cursor:
        cursor.execute(_USES, [list({credential.workspace_id for credential in credentials})])
        found = cursor.fetchall()
    uses: dict[tuple[UUID, str], list[tuple[UUID, str]]] = defaultdict(list)
    for workspace_id, reference, workflow_id, name in found:
        uses[workspace_id, reference].append((workflow_id, name))
    answer: dict[UUID, list[Use]] = {}
    for credential in credentials:
        by_name = uses[credential.workspace_id, credential.name]
        by_id = uses[credential.workspace_id, str(credential.pk)]
        answer[credential.pk] = [Use(*each, by_name=True) for each in by_name]
        answer[credential.pk] += [Use(*each, by_name=False) for each in by_id if each not in by_name]
    return answer
