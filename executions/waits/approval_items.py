"""The data that an approval is about, bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection

from executions.models import NodeRun, Wait
from workflow_platform.core import exact_json
from workflow_platform.core.secrets.secret_names import masked

SHOWN = 3
MAX_CHARACTERS = 4_000
MAX_STORED = 8 * 2**20
"""Items of a larger output are not shown: PostgreSQL would have to parse all of it."""
_FIRST = """
SELECT item.value::text FROM executions_noderun run, json_array_elements(run.output -> %s) WITH ORDINALITY
  item(value, position)
WHERE run.execution_id = %s AND run.node_id = %s AND run.run_index = %s AND run.output_bytes <= %s
ORDER BY item.position LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class ApprovalItems:
    """The first items that wait for a decision, with secrets masked by name."""

    items: list[Any]
    total: int

    @property
    def text(self) -> str:
        """Return the items as indented JSON, cut at MAX_CHARACTERS."""
        text = "\n".join(exact_json.write(item, option=orjson.OPT_INDENT_2).decode() for item in self.items)
        return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + " …"


def items_of(wait: Wait) -> ApprovalItems:
    """Return the items that wait for the decision."""
    key = {"execution": wait.execution_id, "node_id": wait.node_id, "run_index": wait.run_index}
    inputs = NodeRun.objects.filter(**key).values_list("inputs", flat=True).first() or {}
    refs = [ref for refs in inputs.values() for ref in refs]
    found: list[Any] = []
    for ref in refs:
        if len(found) < SHOWN:
            place = [wait.execution_id, ref["node"], ref["run_index"], MAX_STORED, SHOWN - len(found)]
            with connection.cursor() as cursor:
                cursor.execute(_FIRST, [ref["output"], *place])
                found += [masked(exact_json.read_stored(text)) for (text,) in cursor.fetchall()]
    return ApprovalItems(found, sum(int(ref.get("items") or 0) for ref in refs))
