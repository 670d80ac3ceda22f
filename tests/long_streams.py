"""Streams of many events, written in the database itself: through the writer they would take the time of the tests."""

from __future__ import annotations

import psycopg

_MOVE_THE_END = """
UPDATE events_event SET sequence = %(total)s
WHERE stream_id = %(stream)s AND sequence = %(head)s AND %(ended)s
"""
_FILL = """
INSERT INTO events_event (id, stream_id, sequence, type, source, time, execution_id, workflow_id, workspace_id,
                          transaction, data)
SELECT (lpad(to_hex(floor(extract(epoch FROM %(at)s::timestamptz) * 1000)::bigint), 12, '0') || '7000b'
        || lpad(to_hex(%(stream)s::bigint), 7, '0') || lpad(to_hex(n), 8, '0'))::uuid,
       %(stream)s, n, 'execution.log', 'tests', %(at)s, %(execution)s, %(workflow)s, %(workspace)s,
       events_current_transaction(), jsonb_build_object('level', 'info', 'message', 'line ' || n)
FROM generate_series(%(first)s::bigint, %(until)s) n
"""


def lengthen(database_url: str, name: str, total: int) -> None:
    """Add log lines to the stream of an execution until it has `total` events. Its end, if it has one, stays last."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT s.id, s.last_sequence, s.ended_at IS NOT NULL, e.time, e.execution_id, e.workflow_id,"
            " e.workspace_id FROM events_stream s JOIN events_event e"
            " ON e.stream_id = s.id AND e.sequence = s.last_sequence WHERE s.name = %s FOR UPDATE OF s",
            [name],
        ).fetchone()
        assert row is not None
        stream, head, ended, at, execution, workflow, workspace = row
        known = {"stream": stream, "head": head, "ended": ended, "at": at, "total": total}
        known |= {"execution": execution, "workflow": workflow, "workspace": workspace}
        connection.execute(_MOVE_THE_END, known)
        first, until = (head, total - 1) if ended else (head + 1, total)
        connection.execute(_FILL, known | {"first": first, "until": until})
        connection.execute("UPDATE events_stream SET last_sequence = %s WHERE id = %s", [total, stream])
