"""The SQL behind history over streams: one range of an index for each root, merged into one order.

A root is a workspace, the installation, or a stream; an index holds its events in order. Other conditions (types, text)
are checked row by row, up to a bound that is determined first, so that a scan always ends.
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
"""The fewest rows of each root in one step: among hundreds of roots, most have few and one has many."""
_KEY = "(e.transaction, e.stream_id, e.sequence)"


@dataclass(frozen=True, slots=True)
class ScanPosition:
    """Where a scan continues, and its direction. Events of the transaction `safe_before` and later are not read."""

    after: Key | None
    safe_before: int
    backwards: bool

    def order(self, name: str = "e", *, reversed_order: bool = False) -> str:
        """Return the terms to order by."""
        direction = " DESC" if self.backwards is not reversed_order else ""
        return ", ".join(f"{name}.{column}{direction}" for column in ("transaction", "stream_id", "sequence"))


@dataclass(slots=True)
class Conditions:
    """The conditions of a query. `days` are ranges of ids, which also select the partitions."""

    rows: list[str] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, term: str, **values: Any) -> None:
        """Add a condition on rows."""
        self.rows.append(term)
        self.values |= values

    def from_id(self, name: str, first: UUID) -> None:
        """Add a lower limit of ids (inclusive)."""
        self.days.append(f"e.id >= %({name})s")
        self.values[name] = first

    def before_id(self, name: str, end: UUID) -> None:
        """Add an upper limit of ids (exclusive)."""
        self.days.append(f"e.id < %({name})s")
        self.values[name] = end


@dataclass(frozen=True, slots=True)
class Scan:
    """What to read of each root: columns, conditions, order, and number of rows (`extent`)."""

    select: str
    where: str
    order: str
    extent: str
    position: ScanPosition
    bound: Key | None = None
    """The last key to read."""


Source = tuple[str, dict[str, Any]]
"""A FROM item `e`, and its parameters."""


@dataclass(frozen=True, slots=True)
class Workspaces:
    """Events of workspaces, by the index of each partition on the workspace."""

    ids: Sequence[UUID]
    installation: bool
    transactions: Sequence[tuple[int, int]] = ((0, 2**62),)
    """Ranges of transaction numbers, both ends included."""

    def __len__(self) -> int:
        return (len(self.ids) + self.installation) * len(self.transactions)

    def source(self, scan: Scan) -> Source:
        """Return the FROM item for a scan."""
        position = scan.position
        where = [f"e.transaction BETWEEN span.low AND span.high AND e.transaction < %(safe_before)s{scan.where}"]
        values: dict[str, Any] = {"roots": list(self.ids), "safe_before": position.safe_before}
        values["low"], values["high"] = map(list, zip(*self.transactions, strict=True))
        if position.after is not None:
            where.append(f"{_KEY} {'<' if position.backwards else '>'} (%(after_0)s, %(after_1)s, %(after_2)s)")
            values |= {f"after_{n}": number for n, number in enumerate(position.after)}
        if scan.bound is not None:
            where.append(f"{_KEY} {'>=' if position.backwards else '<='} (%(bound_0)s, %(bound_1)s, %(bound_2)s)")
            values |= {f"bound_{n}": number for n, number in enumerate(scan.bound)}

        def of_root(condition: str) -> str:
            return (
                f"SELECT {scan.select} FROM events_event e WHERE e.workspace_id {condition} AND"  # noqa: S608
                f" {' AND '.join(where)} ORDER BY {scan.order} {scan.extent}"
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
    """Events of streams, by the index of each partition on the stream."""

    states: Sequence[reading.StreamState]

    def __len__(self) -> int:
        return len(self.states)

    def source(self, scan: Scan) -> Source:
        """Return the FROM item for a scan."""
        position = scan.position
        # Within a stream, the order over streams is the order of its sequences.
        first = [s.removed_through + 1 for s in self.states]
        last = [s.head for s in self.states]
        if position.after is not None:
            before, upto = self._around(position.after)
            first, last = (first, before) if position.backwards else ([n + 1 for n in upto], last)
        if scan.bound is not None:
            before, upto = self._around(scan.bound)
            first, last = ([n + 1 for n in before], last) if position.backwards else (first, upto)
        direction = "DESC" if scan.order.endswith("DESC") else ""
        inner = (
            f"SELECT {scan.select} FROM events_event e WHERE e.stream_id = root.id"  # noqa: S608
            f" AND e.sequence BETWEEN root.first AND root.last AND e.transaction < %(safe_before)s{scan.where}"
            f" ORDER BY e.sequence {direction} {scan.extent}"
        )
        roots = "unnest(%(roots)s::bigint[], %(first)s::bigint[], %(last)s::bigint[]) AS root(id, first, last)"
        values = {
            "roots": [s.id for s in self.states],
            "first": first,
            "last": last,
            "safe_before": position.safe_before,
        }
        return f"(SELECT e.* FROM {roots} CROSS JOIN LATERAL ({inner}) e) e", values  # noqa: S608

    def _around(self, key: Key) -> tuple[list[int], list[int]]:
        """Return, for each stream, the last sequence before a key, and the last up to it."""
        transaction, stream_id, sequence = key
        others = _last_before([s for s in self.states if s.id != stream_id], transaction, stream_id)
        before = [sequence - 1 if s.id == stream_id else others[s.id] for s in self.states]
        return before, [sequence if s.id == stream_id else others[s.id] for s in self.states]


def _last_before(streams: Sequence[reading.StreamState], transaction: int, stream_id: int) -> dict[int, int]:
    """Return, for each stream, its last sequence before this key: a binary search over all streams at once."""
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
            for i, key in cursor.fetchall():
                # A missing event was removed by retention, so it is old.
                if key is None or (key, i) < (transaction, stream_id):
                    low[i] = middle[i]
                else:
                    high[i] = middle[i] - 1
    return low


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """The roots to read, and the conditions."""

    roots: Workspaces | Streams
    conditions: Conditions


def transaction_at(moment: datetime, *, following: bool) -> int | None:
    """Return a transaction number that was reached by a time; with `following`, one that was not reached before it.

    It comes from events recorded around that time. None: there are none.
    """
    direction, order = (">=", "") if following else ("<", "DESC")
    with connection.cursor() as cursor:
        # From many events, since the next one can come from a long transaction.
        cursor.execute(
            f"SELECT max(transaction) FROM (SELECT transaction FROM events_event WHERE id {direction} %s"  # noqa: S608
            f" ORDER BY id {order} LIMIT {_WITNESSES}) AS witnesses",
            [first_id(moment)],
        )
        key: int | None = cursor.fetchone()[0]
    return key


_WITNESSES = 1000
_NO_END = 2**62


def safe_before() -> int:
    """Return the number below which every transaction has ended, so that no event can appear there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT events_safe_before()")
        return int(cursor.fetchone()[0])


def events(query: HistoryQuery, position: ScanPosition, bound: Key, limit: int) -> list[RecordedEvent]:
    """Return the first `limit` matching events after `position`, up to and including `bound`."""
    where = "".join(f" AND {term}" for term in (*query.conditions.days, *query.conditions.rows))
    order = position.order()
    source, values = query.roots.source(Scan("e.*", where, order, "LIMIT %(limit)s", position, bound))
    statement = (
        f"SELECT {reading.COLUMNS} FROM (SELECT e.* FROM {source} ORDER BY {order} LIMIT %(limit)s) e"  # noqa: S608
        f" JOIN events_stream s ON s.id = e.stream_id ORDER BY {order}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, query.conditions.values | values | {"limit": limit})
        return reading.recorded(cursor.fetchall())


def count(query: HistoryQuery) -> int:
    """Return how many committed events match."""
    where = "".join(f" AND {term}" for term in (*query.conditions.days, *query.conditions.rows))
    position = ScanPosition(None, _NO_END, backwards=False)
    source, values = query.roots.source(Scan("1", where, position.order(), "", position))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {source}", query.conditions.values | values)  # noqa: S608
        return int(cursor.fetchone()[0])


def bound(query: HistoryQuery, position: ScanPosition, rows: int) -> tuple[Key | None, bool]:
    """Return the key after about `rows` rows, and whether there are rows beyond it. None: no rows follow `position`."""
    key = _key(query, position, f"OFFSET {max(rows // len(query.roots), LEAST_OF_ROOT)} LIMIT 1", reversed_order=False)
    if key is not None:
        return key, True
    return _key(query, position, "LIMIT 1", reversed_order=True), False


def last(query: HistoryQuery, safe: int) -> Key | None:
    """Return the key of the last readable row."""
    return _key(query, ScanPosition(None, safe, backwards=True), "LIMIT 1", reversed_order=False)


def _key(query: HistoryQuery, position: ScanPosition, extent: str, *, reversed_order: bool) -> Key | None:
    where = "".join(f" AND {term}" for term in query.conditions.days)
    order = position.order(reversed_order=reversed_order)
    columns = "e.transaction, e.stream_id, e.sequence"
    source, values = query.roots.source(Scan(columns, where, order, extent, position))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {source} ORDER BY {order} LIMIT 1", query.conditions.values | values)  # noqa: S608
        key: Key | None = cursor.fetchone()
    return key
