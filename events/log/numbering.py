"""Numbers events: in their streams, in those of their workflows and in the feed, in one statement for each append."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from events.catalogue.event_types import LIFECYCLE, TERMINAL
from events.catalogue.stream_names import FEED, WORKFLOW
from events.log.recorded import LIVE
from workflow_platform.core.postgresql import prepared


class StreamClosed(Exception):
    """The stream has ended, or is gone: nothing follows."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact to be appended."""

    stream_id: int
    type: str
    data: dict[str, Any]
    source: str
    execution_id: UUID | None = None
    workflow_id: UUID | None = None
    time: datetime | None = None


@dataclass(slots=True)
class NewStream:
    """A stream that the append of its first events creates. `id` is from `reserve_ids`."""

    id: int
    name: str
    workspace_id: UUID | None
    mode: str = LIVE


def reserve_ids(count: int) -> list[int]:
    """Return ids for streams to come."""
    statement = "SELECT nextval(pg_get_serial_sequence('events_stream', 'id')) FROM generate_series(1, %s::int)"
    return [id_ for (id_,) in prepared.fetch(statement, [count])]


@dataclass(slots=True)
class Numbering:
    """A stream whose row is locked, and the last sequence that was given out."""

    id: int
    name: str
    workspace_id: str | None
    mode: str
    last: int

    def next(self) -> int:
        self.last += 1
        return self.last


_ENDING = (
    "CASE WHEN {id} = ANY(%(ended)s::bigint[]) THEN clock_timestamp() END",
    "COALESCE((%(ended_as)s::text[])[array_position(%(ended)s::bigint[], {id})], '')",
)
_LOCK = """
WITH counts AS (
  SELECT id, n FROM unnest(%(ids)s::bigint[], %(counts)s::bigint[]) AS own(id, n)
  UNION ALL SELECT s.id, w.n FROM unnest(%(names)s::text[], %(name_counts)s::bigint[]) AS w(name, n)
  JOIN events_stream s USING (name)
), sums AS (
  SELECT id, sum(n)::bigint AS n FROM counts GROUP BY id
), locked AS (
  SELECT id, last_transaction, ended_at FROM events_stream WHERE id IN (SELECT id FROM sums) ORDER BY id FOR UPDATE
), mark AS (
  -- Not below the number of an earlier event in any of the streams: its transaction may have got its number later.
  SELECT GREATEST(events_current_transaction(), max(last_transaction)) AS n FROM locked
), advanced AS (
  UPDATE events_stream s SET last_sequence = last_sequence + sums.n, last_transaction = mark.n,
    ended_at = {ended_at}, ended_as = {ended_as}
  FROM locked JOIN sums USING (id) CROSS JOIN mark WHERE s.id = locked.id AND locked.ended_at IS NULL
  RETURNING s.id, s.name, s.workspace_id::text, s.mode, s.last_sequence - sums.n AS before
)"""
_OPEN = """, opened AS (
  INSERT INTO events_stream (id, name, workspace_id, mode, last_sequence, removed_through, last_transaction, ended_at,
    ended_as, created_at)
  SELECT o.id, o.name, o.workspace_id, o.mode, o.n, 0, mark.n, {ended_at}, {ended_as}, clock_timestamp()
  FROM unnest(%(new_ids)s::bigint[], %(new_names)s::text[], %(new_workspaces)s::uuid[], %(new_modes)s::text[],
    %(new_counts)s::bigint[]) AS o(id, name, workspace_id, mode, n) CROSS JOIN mark
  RETURNING id, name, workspace_id::text, mode, 0::bigint AS before
), rows AS (SELECT * FROM advanced UNION ALL SELECT * FROM opened)"""
# The row of the feed is locked last, after all others are, so that it is held for the shortest time. It also keeps the
# greatest transaction number of streams that have been removed.
_FEED = f""", feed AS (
  UPDATE events_stream f SET last_sequence = f.last_sequence + %(of_feed)s::bigint,
    last_transaction = GREATEST(f.last_transaction, mark.n)
  FROM mark CROSS JOIN (SELECT count(*) AS n FROM rows) AS done
  WHERE f.name = '{FEED}' AND %(of_feed)s::bigint > 0 AND done.n > 0 RETURNING f.last_sequence
)
SELECT rows.*, mark.n, (SELECT last_sequence FROM feed) FROM rows CROSS JOIN mark"""  # noqa: S608
_LOCK = _LOCK.format(ended_at=_ENDING[0].format(id="s.id"), ended_as=_ENDING[1].format(id="s.id"))
_OPEN = _OPEN.format(ended_at=_ENDING[0].format(id="o.id"), ended_as=_ENDING[1].format(id="o.id"))
_ADVANCE = f"{_LOCK}, rows AS (SELECT * FROM advanced){_FEED}"  # noqa: S608
_ADVANCE_AND_OPEN = f"{_LOCK}{_OPEN}{_FEED}"


def advance(
    new_events: Sequence[NewEvent], opening: Sequence[NewStream]
) -> tuple[dict[int, Numbering], dict[str, Numbering], int, Iterator[int]]:
    """Assign sequences to the events, in their streams and in those of their workflows, and create new streams.

    Returns the streams by id, and those of workflows by name, numbered as before; the transaction's number; and the
    sequences of the feed.
    """
    counts: Counter[int] = Counter(new.stream_id for new in new_events)
    ends = _ends(new_events)
    names = Counter(name for new in new_events if new.type in LIFECYCLE and (name := workflow_stream(new)))
    of_feed = sum(new.type in LIFECYCLE for new in new_events)
    parameters: dict[str, Any] = {
        "names": list(names),
        "name_counts": list(names.values()),
        "ended": list(ends),
        "ended_as": list(ends.values()),
        "of_feed": of_feed,
    }
    if opening:
        parameters |= {
            "new_ids": [stream.id for stream in opening],
            "new_names": [stream.name for stream in opening],
            "new_workspaces": [stream.workspace_id for stream in opening],
            "new_modes": [stream.mode for stream in opening],
            "new_counts": [counts.get(stream.id, 0) for stream in opening],
        }
    existing = {id_: n for id_, n in counts.items() if id_ not in {stream.id for stream in opening}}
    parameters |= {"ids": list(existing), "counts": list(existing.values())}
    rows = prepared.fetch(_ADVANCE_AND_OPEN if opening else _ADVANCE, parameters)
    streams = [Numbering(*row[:5]) for row in rows]
    if counts.keys() - {stream.id for stream in streams}:
        raise StreamClosed(StreamClosed.__doc__)
    of_workflows = {stream.name: stream for stream in streams if stream.name.startswith(WORKFLOW)}
    number, last = rows[0][5:] if rows else (0, 0)
    feed = iter(range(last - of_feed + 1, last + 1)) if of_feed else iter(())
    return {stream.id: stream for stream in streams}, of_workflows, number, feed


def _ends(new_events: Sequence[NewEvent]) -> dict[int, str]:
    """Return which streams end, and as what. Raises StreamClosed if something follows an end."""
    ends: dict[int, str] = {}
    for new in new_events:
        if new.stream_id in ends:
            raise StreamClosed(StreamClosed.__doc__)
        if new.type in TERMINAL:
            ends[new.stream_id] = new.type
    return ends


def workflow_stream(new: NewEvent) -> str:
    """Return the name of the workflow stream that shows the event; empty for none."""
    shown = new.type in LIFECYCLE or new.type.startswith("workflow.")
    return f"{WORKFLOW}{new.workflow_id}" if shown and new.workflow_id else ""
