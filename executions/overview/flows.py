"""What has flowed along the edges of an execution."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from django.db import connection

from events.log import reading
from executions.models import Execution

MAX_EVENTS = 1_000_000
"""The longest stream whose events are added up. In a longer one the sums are unknown."""

# Data is JSON as text: the edge is compared as it was written, and parsed once for each edge.
_FLOWS = """
SELECT flow.edge::text, sum(flow.items)::bigint, bool_and(flow.taken_from IS NOT NULL)
FROM events_event e CROSS JOIN LATERAL json_to_record(e.data) AS flow(edge json, items bigint, taken_from text)
WHERE e.stream_id = %s AND e.sequence > %s AND e.sequence <= %s AND e.type = 'execution.data_flow'
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class EdgeItems:
    """The items that have flowed along an edge."""

    source: str
    source_output: str
    target: str
    target_input: str
    items: int
    reused: bool
    """Whether all of them are outputs of an earlier execution that are reused."""


@dataclass(frozen=True, slots=True)
class Flows:
    """What has flowed along each edge, from the first event through an event."""

    through: int
    """The sequence of the last event that is counted; 0 if the sums are unknown, as the events were removed or are too
    many."""
    edges: list[EdgeItems]


def flows(execution: Execution) -> Flows:
    """Return the items of each edge, as the events of the execution say."""
    name = execution.stream.name
    state = reading.states([name])[name]
    if state.removed_through or state.head > MAX_EVENTS:
        return Flows(0, [])
    with connection.cursor() as cursor:
        cursor.execute(_FLOWS, [state.id, state.removed_through, state.head])
        rows = cursor.fetchall()
    return Flows(
        state.head, [EdgeItems(**orjson.loads(edge), items=items, reused=reused) for edge, items, reused in rows]
    )
