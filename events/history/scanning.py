"""The statements behind history over streams: ranges of indexes, one for each root, merged into one order.

A root is a workspace, the installation, or a stream: each has an index in whose order its events come. What the index
does not know (types, text, …) is looked at row by row, up to a bound that is found first, so that a scan always ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from events.log import reading
from events.log.partitions import first_id
from events.log.recorded import RecordedEvent

Key = tuple[int, int, int]
"""Transaction, stream, sequence: the order over streams."""

LEAST_OF_ROOT = 100
"""Rows of each root that a step looks at, at least: among hundreds of roots, most have few and one has many."""
_KEY = "(e.transaction, e.stream_id, e.sequence)"


@dataclass(frozen=True, slots=True)
class ScanPosition:
    """From where a scan goes on, and which way. `safe_before`: no event from this transaction on is read."""

    after: Key | None
    safe_before: int
    back: bool

    def order(self, name: str = "e", *, turned: bool = False) -> str:
        """Return the terms to order by."""
        way = " DESC" if self.back is not turned else ""
        return ", ".join(f"{name}.{column}{way}" for column in ("transaction", "stream_id", "sequence"))


@dataclass(slots=True)
class Conditions:
    """What holds of the rows that are wanted. `days`: ranges of ids, which also say which partitions to look at."""

    rows: list[str] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, term: str, **values: Any) -> None:
        """Want rows of which a term is true."""
        self.rows.append(term)
        self.values |= values

    def from_id(self, name: str, first: UUID) -> None:
        """Want rows with this id or a later one."""
        self.days.append(f"e.id >= %({name})s")
        self.values[name] = first

    def before_id(self, name: str, end: UUID) -> None:
        """Want rows with an id before this one."""
        self.days.append(f"e.id < %({name})s")
        self.values[name] = end


@dataclass(frozen=True, slots=True)
class Reach:
    """What is read of each root: columns, the rows that `where` takes, in which order, and how many (`extent`)."""

    select: str
    where: str
    order: str
    extent: str
    place: ScanPosition
    bound: Key | None = None
    """The last key to be looked at."""


Source = tuple[str, dict[str, Any]]
"""A FROM item `e`, and its values."""


@dataclass(frozen=True, slots=True)
class Workspaces:
    """Events of these workspaces, by the index of each partition that begins with the workspace."""

    ids: Sequence[UUID]
    installation: bool
    transactions: Sequence[tuple[int, int]] = ((0, 2**62),)
    """Ranges of the transactions that count: from the first number, up to the second one and with it."""

    def __len__(self) -> int:
        return (len(self.ids) + self.installation) * len(self.transactions)

    def source(self, reach: Reach) -> Source:
        """Return what is within reach."""
        place = reach.place
        where = [f"e.transaction BETWEEN span.low AND span.high AND e.transaction < %(safe_before)s{reach.where}"]
        values: dict[str, Any] = {"roots": list(self.ids), "safe_before": place.safe_before}
        values["low"], values["high"] = map(list, zip(*self.transactions, strict=True))
        if place.after is not None:
            where.append(f"{_KEY} {'<' if place.back else '>'} (%(after_0)s, %(after_1)s, %(after_2)s)")
            values |= {f"after_{n}": number for n, number in enumerate(place.after)}
        if reach.bound is not None:
            where.append(f"{_KEY} {'>=' if place.back else '<='} (%(bound_0)s, %(bound_1)s, %(bound_2)s)")
            values |= {f"bound_{n}": number for n, number in enumerate(reach.bound)}

        def of_root(condition: str) -> str:
            return (
                f"SELECT {reach.select} FROM events_event e WHERE e.workspace_id {condition} AND"  # noqa: S608
                f" {' AND '.join(where)} ORDER BY {reach.order} {reach.extent}"
            )

        spans = "unnest(%(low)s::bigint[], %(high)s::bigint[]) AS span(low, high)"
        parts = []
        if self.ids:
            roots = f"unnest(%(roots)s::uuid[]) AS root(id) CROSS JOIN {spans}"
            parts.append(f"SELECT e.* FROM {roots} CROSS JOIN LATERAL ({of_root('= root.id')}) e")  # noqa: S608
        if self.installation:
            parts.append(f"SELECT e.* FROM {spans} CROSS JOIN LATERAL ({of_root('IS NULL')}) e")  # noqa: S608
        return f"({' UNION ALL '.join(parts)}) e", values


@dataclass(frozen=True, slots=True)
class Streams:
    """Events of these streams, by the index of each partition that begins with the stream."""

    states: Sequence[reading.StreamState]

    def __len__(self) -> int:
        return len(self.states)

    def source(self, reach: Reach) -> Source:
        """Return what is within reach."""
        place = reach.place
        # In a stream, the order over streams is that of its sequence.
        first = [s.removed_through + 1 for s in self.states]
        last = [s.head for s in self.states]
        if place.after is not None:
            before, upto = self._around(place.after)
            first, last = (first, before) if place.back else ([n + 1 for n in upto], last)
        if reach.bound is not None:
            before, upto = self._around(reach.bound)
            first, last = ([n + 1 for n in before], last) if place.back else (first, upto)
        way = "DESC" if reach.order.endswith("DESC") else ""
        inner = (
            f"SELECT {reach.select} FROM events_event e WHERE e.stream_id = root.id"  # noqa: S608
            f" AND e.sequence BETWEEN root.first AND root.last AND e.transaction < %(safe_before)s{reach.where}"
            f" ORDER BY e.sequence {way} {reach.extent}"
        )
        roots = "unnest(%(roots)s::bigint[], %(first)s::bigint[], %(last)s::bigint[]) AS root(id, first, last)"
        values = {"roots": [s.id for s in self.states], "first": first, "last": last, "safe_before": place.safe_before}
        return f"(SELECT e.* FROM {roots} CROSS JOIN LATERAL ({inner}) e) e", values  # noqa: S608

    def _around(self, key: Key) -> tuple[list[int], list[int]]:
        """Return, for each stream, the last sequence before a key, and the last up to it."""
        transaction, stream_id, sequence = key
        found = _last_before([s for s in self.states if s.id != stream_id], transaction, stream_id)
        before = [sequence - 1 if s.id == stream_id else found[s.id] for s in self.states]
        return before, [sequence if s.id == stream_id else found[s.id] for s in self.states]


def _last_before(streams: Sequence[reading.StreamState], transaction: int, stream_id: int) -> dict[int, int]:
    """Return, for each stream, its last sequence that comes before this place in the order: by halving, all at once."""
    low = {s.id: s.removed_through for s in streams}
    high = {s.id: max(s.head, s.removed_through) for s in streams}
    while middle := {i: (low[i] + high[i] + 1) // 2 for i in low if low[i] < high[i]}:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT root.id, e.transaction FROM unnest(%s::bigint[], %s::bigint[]) AS root(id, sequence)"
                " LEFT JOIN LATERAL (SELECT transaction FROM events_event e WHERE e.stream_id = root.id"
                " AND e.sequence = root.sequence) e ON true",
                [list(middle), list(middle.values())],
            )
            for i, found in cursor.fetchall():
                # What is no longer there was removed, so it is old.
                if found is None or (found, i) < (transaction, stream_id):
                    low[i] = middle[i]
                else:
                    high[i] = middle[i] - 1
    return low


@dataclass(frozen=True, slots=True)
class Query:
    """Where to look, and for what."""

    roots: Workspaces | Streams
    conditions: Conditions


def transaction_at(moment: datetime, *, following: bool) -> int | None:
    """Return a number that transactions had reached by a moment; `following`: one that they had not reached before it.

    It is that of events recorded around the moment. None: there are none.
    """
    way, order = (">=", "") if following else ("<", "DESC")
    with connection.cursor() as cursor:
        # Of many events, since the next one can come from a transaction that had been at work for long.
        cursor.execute(
            f"SELECT max(transaction) FROM (SELECT transaction FROM events_event WHERE id {way} %s"  # noqa: S608
            f" ORDER BY id {order} LIMIT {_WITNESSES}) AS witnesses",
            [first_id(moment)],
        )
        found: int | None = cursor.fetchone()[0]
    return found


_WITNESSES = 1000
_NO_END = 2**62


def safe_before() -> int:
    """Return the number below which every transaction has ended: no event can appear there any more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT events_safe_before()")
        return int(cursor.fetchone()[0])


def events(asked: Query, place: ScanPosition, bound: Key, limit: int) -> list[RecordedEvent]:
    """Return the first `limit` events from `place` on, up to `bound` and with it, that fulfil the conditions."""
    where = "".join(f" AND {term}" for term in (*asked.conditions.days, *asked.conditions.rows))
    order = place.order()
    source, values = asked.roots.source(Reach("e.*", where, order, "LIMIT %(limit)s", place, bound))
    statement = (
        f"SELECT {reading.COLUMNS} FROM (SELECT e.* FROM {source} ORDER BY {order} LIMIT %(limit)s) e"  # noqa: S608
        f" JOIN events_stream s ON s.id = e.stream_id ORDER BY {order}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, asked.conditions.values | values | {"limit": limit})
        return reading.recorded(cursor.fetchall())


def count(asked: Query) -> int:
    """Return how many rows fulfil the conditions, of all that are committed now."""
    where = "".join(f" AND {term}" for term in (*asked.conditions.days, *asked.conditions.rows))
    place = ScanPosition(None, _NO_END, back=False)
    source, values = asked.roots.source(Reach("1", where, place.order(), "", place))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {source}", asked.conditions.values | values)  # noqa: S608
        return int(cursor.fetchone()[0])


def bound(asked: Query, place: ScanPosition, rows: int) -> tuple[Key | None, bool]:
    """Return the key up to which about `rows` rows are to be looked at, and whether there are any beyond.

    None: there are no rows from `place` on.
    """
    found = _key(asked, place, f"OFFSET {max(rows // len(asked.roots), LEAST_OF_ROOT)} LIMIT 1", turned=False)
    if found is not None:
        return found, True
    return _key(asked, place, "LIMIT 1", turned=True), False


def last(asked: Query, safe: int) -> Key | None:
    """Return the key of the last row that can be read."""
    return _key(asked, ScanPosition(None, safe, back=True), "LIMIT 1", turned=False)


def _key(asked: Query, place: ScanPosition, extent: str, *, turned: bool) -> Key | None:
    where = "".join(f" AND {term}" for term in asked.conditions.days)
    order = place.order(turned=turned)
    columns = "e.transaction, e.stream_id, e.sequence"
    source, values = asked.roots.source(Reach(columns, where, order, extent, place))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {source} ORDER BY {order} LIMIT 1", asked.conditions.values | values)  # noqa: S608
        found: Key | None = cursor.fetchone()
    return found
