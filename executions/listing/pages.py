"""Pages of a list of executions, by key: a page begins after the last row of the one before, however many rows there
are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Self, cast, get_args
from uuid import UUID

from django.db.models import F, Q, QuerySet

from executions.listing.criteria import Criteria, SortName
from executions.listing.selection import parts, with_words
from executions.models import Execution

MOST_PARTS = 40
NEAR = 1_000
"""Rows that are read for words without their index."""
KeyName = Literal["pk", "duration", "ended_at"]
_KEYS: dict[str, KeyName] = {"queued": "pk", "duration": "duration", "ended": "ended_at"}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ListOrder:
    """An order of executions. Those without the key are left out: by duration and end, those that have not ended."""

    key: KeyName
    descending: bool

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the order with this name; `-` is descending."""
        if name not in get_args(SortName):
            raise ValueError(f"Unknown order: {name!r}.")
        return cls(_KEYS[name.removeprefix("-")], name.startswith("-"))

    @property
    def reversed(self) -> ListOrder:
        """Return the opposite order."""
        return ListOrder(self.key, not self.descending)

    def of(self, rows: QuerySet[Execution]) -> QuerySet[Execution]:
        """Return the rows in this order."""
        sign = "-" if self.descending else ""
        if self.key == "ended_at":
            rows = rows.filter(ended_at__isnull=False)
        if self.key == "duration":
            rows = rows.filter(ended_at__isnull=False, started_at__isnull=False)
        return rows.order_by(f"{sign}{self.key}", *([f"{sign}pk"] if self.key != "pk" else []))


@dataclass(frozen=True, slots=True)
class Position:
    """A place between the rows of a list: after the row with this key and id."""

    key: Any
    pk: UUID

    @classmethod
    def parse(cls, text: str, sort: ListOrder) -> Self:
        """Return the position that `text` names. Raises ValueError."""
        key, _, pk = text.rpartition("~")
        if sort.key == "pk":
            return cls(UUID(pk), UUID(pk))
        try:
            value = timedelta(microseconds=int(key)) if sort.key == "duration" else datetime.fromisoformat(key)
        except OverflowError as error:
            raise ValueError(str(error)) from None
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError("The time has no zone.")
        return cls(value, UUID(pk))

    def text(self) -> str:
        """Return the position as text."""
        if isinstance(self.key, UUID):
            return str(self.pk)
        key = self.key.isoformat() if isinstance(self.key, datetime) else str(self.key // _MICROSECOND)
        return f"{key}~{self.pk}"

    def after(self, sort: ListOrder) -> Q:
        """Return the condition of the rows after it."""
        side = "lt" if sort.descending else "gt"
        if sort.key == "pk":
            return Q(**{f"pk__{side}": self.pk})
        further = Q(**{f"{sort.key}__{side}": self.key}) | Q(**{f"pk__{side}": self.pk})
        return Q(**{f"{sort.key}__{side}e": self.key}) & further


@dataclass(frozen=True, slots=True)
class ListPage:
    """The rows of a page in order, and whether there are rows before and after it."""

    rows: list[Execution]
    first: Position | None
    last: Position | None
    before: bool
    after: bool


def page_of(
    workspaces: Sequence[UUID],
    criteria: Criteria,
    rows: QuerySet[Execution],
    *,
    sort: ListOrder,
    limit: int,
    at: Position | None = None,
    backwards: bool = False,
) -> ListPage:
    """Return the page after `at`, or the one before it; without `at`, the first or last one. `rows` are the fields to
    read of the executions."""
    order = sort.reversed if backwards else sort
    keys = _first_keys(workspaces, criteria, order, limit + 1, at) if workspaces else []
    more, keys = len(keys) > limit, keys[:limit]
    found = rows.order_by().in_bulk([pk for _, pk in keys])
    if backwards:
        keys.reverse()
    positions = [Position(key, pk) for key, pk in keys]
    before, after = (more, at is not None) if backwards else (at is not None, more)
    return ListPage(
        rows=[found[pk] for _, pk in keys if pk in found],
        first=positions[0] if positions else None,
        last=positions[-1] if positions else None,
        before=before,
        after=after,
    )


def _first_keys(
    workspaces: Sequence[UUID], criteria: Criteria, order: ListOrder, count: int, at: Position | None
) -> list[tuple[Any, UUID]]:
    """Return the keys and ids of the first rows that match.

    Words that many executions have are found among the first rows without them. The index of words is for the others:
    it would collect all executions with a frequent word, or with one of many that begin alike, before it sorts them.
    """
    if criteria.text:
        others = criteria.model_copy(update={"text": ""})
        near = _keys(parts(workspaces, others, MOST_PARTS), order, NEAR, at)
        found = with_words(criteria.text, [pk for _, pk in near])
        keys = [(key, pk) for key, pk in near if pk in found][:count]
        if len(keys) == count or len(near) < NEAR:
            return keys
    return _keys(parts(workspaces, criteria, MOST_PARTS), order, count, at)


def _keys(
    selections: Sequence[QuerySet[Execution]], order: ListOrder, count: int, at: Position | None
) -> list[tuple[Any, UUID]]:
    """Return the keys and ids of the first rows of all selections together."""
    walks: list[QuerySet[Execution, Any]] = []
    for selection in selections:
        rows = order.of(selection)
        rows = rows.filter(at.after(order)) if at else rows
        walks.append(rows.annotate(key=F(order.key)).values_list("key", "pk")[:count])
    if not walks:
        return []
    if len(walks) == 1:
        return cast(list[tuple[Any, UUID]], list(walks[0]))
    sign = "-" if order.descending else ""
    together = walks[0].union(*walks[1:]).order_by(f"{sign}key", f"{sign}pk")
    return cast(list[tuple[Any, UUID]], list(together[:count]))
