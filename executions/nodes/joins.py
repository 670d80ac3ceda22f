"""Joins of tables of items, by key or by position, with the origin of each item. Pure; linear in items and pairs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from executions.domain.binaries import BINARY
from executions.domain.items import Item, Items
from executions.domain.lineage import Origin

Join = Literal["outer", "left", "inner", "anti"]
"""Which items stay besides those that match: all, those of the first table, none; `anti`: only those of the first table
that match nothing."""
Key = Hashable | None
"""What items match by. None matches nothing."""


class TooManyPairs(Exception):
    """The join would return more items than the limit."""

    def __init__(self, count: int) -> None:
        super().__init__(f"The join would return {count} items")
        self.count = count


@dataclass(slots=True)
class JoinTable:
    """Items with their keys and the numbers of the input items that they came from."""

    items: Sequence[Item]
    keys: Sequence[Key]
    origins: list[Origin]

    @classmethod
    def of(cls, items: Items, first: int, key_of: Callable[[Item], Key]) -> JoinTable:
        """Return the table of an input whose items are numbered from `first`."""
        items = list(items)
        return cls(items, [key_of(item) for item in items], list(range(first, first + len(items))))

    def only(self, places: Iterable[int]) -> JoinTable:
        """Return the table with the items at `places` only."""
        kept = list(places)
        return JoinTable([self.items[n] for n in kept], [self.keys[n] for n in kept], [self.origins[n] for n in kept])


def by_key(tables: Sequence[JoinTable], join: Join, limit: int) -> JoinTable:
    """Return an item for each combination of items with equal keys, in the order of the first table. Items that stay
    without a match follow in the order of their tables. Raises TooManyPairs above `limit` items."""
    first, *others = tables
    if join == "anti":
        matched = {key for table in others for key in table.keys}
        return first.only(n for n, key in enumerate(first.keys) if key is None or key not in matched)
    for table in others:
        first = _pairs(first, table, join, limit)
    return first


def _pairs(left: JoinTable, right: JoinTable, join: Join, limit: int) -> JoinTable:
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(right.keys):
        if key is not None:
            places.setdefault(key, []).append(place)
    alone: list[int] | list[None] = [] if join == "inner" else [None]
    partners = [places.get(key) or alone for key in left.keys]  # None is no key of `places`
    known = set(left.keys)
    is_kept = join == "outer"
    unmatched = right.only(n for n, key in enumerate(right.keys) if is_kept and (key is None or key not in known))
    if (count := sum(map(len, partners)) + len(unmatched.items)) > limit:
        raise TooManyPairs(count)
    items, keys, origins = list[Item](), list[Key](), list[Origin]()
    for item, key, origin, found in zip(left.items, left.keys, left.origins, partners, strict=True):
        for partner in found:
            items.append(item if partner is None else joined_item(item, right.items[partner]))
            origins.append(origin if partner is None else merged_origin(origin, right.origins[partner]))
        keys += [key] * len(found)
    return JoinTable([*items, *unmatched.items], [*keys, *unmatched.keys], [*origins, *unmatched.origins])


def by_position(tables: Sequence[JoinTable], join: Join) -> JoinTable:
    """Return an item for each position, made of the items that stand there."""
    items, origins = list[Item](), list[Origin]()
    for table in tables:
        for place, item in enumerate(table.items):
            _add(items, origins, place, item, table.origins[place])
    lengths = [len(table.items) for table in tables]
    if join == "anti":
        return tables[0].only(range(max(lengths[1:], default=0), lengths[0]))
    end = {"outer": len(items), "left": lengths[0], "inner": min(lengths)}[join]
    return JoinTable(items[:end], [None] * end, origins[:end])


def grouped(table: JoinTable) -> JoinTable:
    """Return one item for each key, made of all items with that key, in order of first appearance."""
    places: dict[Hashable, int] = {}
    items, origins = list[Item](), list[Origin]()
    for item, key, origin in zip(table.items, table.keys, table.origins, strict=True):
        place = len(items) if key is None else places.setdefault(key, len(items))
        _add(items, origins, place, item, origin)
    return JoinTable(items, [None] * len(items), origins)


def _add(items: list[Item], origins: list[Origin], place: int, item: Item, origin: Origin) -> None:
    """Add an item of an input at the end, or its fields to the item at `place`, in time that does not grow."""
    if place == len(items):
        items.append(item)
        origins.append(origin)
    elif not isinstance(known := origins[place], list):
        items[place], origins[place] = joined_item(items[place], item), merged_origin(known, origin)
    else:
        items[place].update(item | _files(items[place], item))  # made above, so no other node has it
        known += _numbers(origin)


def joined_item(one: Item, other: Item) -> Item:
    """Return an item with the fields of two, and the files of both. The second one prevails."""
    return {**one, **other, **_files(one, other)}


def _files(one: Item, other: Item) -> Item:
    files = one.get(BINARY), other.get(BINARY)
    return {BINARY: files[0] | files[1]} if isinstance(files[0], dict) and isinstance(files[1], dict) else {}


def merged_origin(one: Origin, other: Origin) -> Origin:
    """Return the origin of an item that was made of two."""
    return [*_numbers(one), *_numbers(other)]


def _numbers(origin: Origin) -> list[int]:
    """Return an origin of a join, which is never unknown, as a list."""
    return origin if isinstance(origin, list) else [] if origin is None else [origin]
