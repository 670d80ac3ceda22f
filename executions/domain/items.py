"""The items that nodes exchange: a list of JSON objects, or their JSON text if they are large. Pure.

Parsing or encoding megabytes holds the interpreter lock and delays all other executions of the worker. Large items are
therefore encoded once, passed on as text, and parsed in chunks on access.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, overload

import orjson

from workflow_platform.core import exact_json

Item = dict[str, Any]
Items = Sequence[Item]

PACKED_BYTES = 64 * 1024
"""Items of more bytes than this are passed on as text."""
CHUNK_BYTES = 128 * 1024
FEW_ITEMS = 256
"""Up to this many items are encoded in one call."""
SAMPLE_ITEMS = 3
SAMPLE_BYTES = 2_000
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class NotStorable(Exception):
    """The output contains the character U+0000, which cannot be stored."""


class PackedItems(Sequence[Item]):
    """Items as JSON text, in chunks: each is a JSON array of about CHUNK_BYTES, or of one larger item."""

    __slots__ = ("_ends", "_last", "chunks", "sample", "size")

    def __init__(self, chunks: Sequence[bytes], counts: Sequence[int], sample: list[Item]) -> None:
        """`counts`: how many items each chunk has. `sample`: the first items, as `sample_of` returns them."""
        self.chunks, self.sample = tuple(chunks), sample
        self.size = sum(map(len, chunks))
        """The approximate size in bytes of JSON."""
        self._ends = list(accumulate(counts))
        # The chunk that was read last: items are mostly read in order. One tuple, because several threads may read.
        self._last: tuple[int, list[Item]] = (-1, [])

    @property
    def counts(self) -> list[int]:
        """Return how many items each chunk has."""
        return [end - begin for begin, end in zip([0, *self._ends], self._ends, strict=False)]

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Item]:
        for number in range(len(self.chunks)):
            yield from self._chunk(number)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Items: ...
    def __getitem__(self, index: int | slice) -> Item | Items:
        if isinstance(index, slice):
            return self._slice(*index.indices(len(self)))
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"The index {index} is out of range: there are {len(self)} items.")
        number = bisect_right(self._ends, position)
        return self._chunk(number)[position - (self._ends[number - 1] if number else 0)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def text(self) -> bytes:
        """Return all items as one JSON array."""
        return b"[" + b",".join(chunk[1:-1] for chunk in self.chunks) + b"]"

    def _chunk(self, number: int) -> list[Item]:
        at, items = self._last
        if number != at:
            items = orjson.loads(self.chunks[number])
            self._last = (number, items)
        return items

    def _slice(self, begin: int, stop: int, step: int) -> Items:
        if step != 1:
            return [self[n] for n in range(begin, stop, step)]
        parts, at = list[Items](), 0
        for number, count in enumerate(self.counts):
            first, last = max(begin - at, 0), min(stop - at, count)
            if first < last:
                is_whole = first == 0 and last == count
                parts.append(self._whole(number, count) if is_whole else self._chunk(number)[first:last])
            at += count
        return joined(parts)

    def _whole(self, number: int, count: int) -> PackedItems:
        chunk = self.chunks[number]
        sample = sample_of(self._chunk(number)) if len(chunk) <= CHUNK_BYTES else []
        return PackedItems([chunk], [count], sample)


def pack(items: Items) -> tuple[Items, int]:
    """Return the items, packed if they are large, and their size in bytes of JSON. Raises TypeError if they are not
    JSON, and NotStorable."""
    if isinstance(items, PackedItems):
        return items, items.size
    try:
        return _pack(items)
    except TypeError:  # a number or text that a node of Python made, and JSON cannot express
        return _pack(exact_json.normal(list(items)))


def _pack(items: Items) -> tuple[Items, int]:
    if len(items) <= FEW_ITEMS:
        text = orjson.dumps(items)
        if len(text) <= PACKED_BYTES:
            _check(text)
            return items, len(text)
    packed = _packed(items)
    return packed if packed.size > PACKED_BYTES else items, packed.size


def _packed(items: Iterable[Item]) -> PackedItems:
    chunks, counts, pending, size, first = list[bytes](), list[int](), list[bytes](), 0, list[Item]()
    for item in items:
        text = orjson.dumps(item)
        if len(first) < SAMPLE_ITEMS:
            first.append(item)
        if pending and size + len(text) > CHUNK_BYTES:
            chunks.append(_array(pending))
            counts.append(len(pending))
            pending, size = [], 0
        pending.append(text)
        size += len(text) + 1
    if pending:
        chunks.append(_array(pending))
        counts.append(len(pending))
    return PackedItems(chunks, counts, sample_of(first))


def _array(texts: list[bytes]) -> bytes:
    text = b"[" + b",".join(texts) + b"]"
    _check(text)
    return text


def holds_nul(text: bytes) -> bool:
    """Return whether JSON contains an escape of the NUL character; `\\\\u0000` is a backslash and no escape."""
    return b"\\u0000" in text and _NUL.search(text) is not None


def _check(text: bytes) -> None:
    if holds_nul(text):
        raise NotStorable(NotStorable.__doc__)


def sample_of(items: Items) -> list[Item]:
    """Return the first items for a preview: at most SAMPLE_ITEMS and SAMPLE_BYTES."""
    if isinstance(items, PackedItems):
        return items.sample
    sample = list(items[:SAMPLE_ITEMS])
    while sample and len(orjson.dumps(sample)) > SAMPLE_BYTES:
        sample.pop()
    return sample


def joined(lists: Sequence[Items]) -> Items:
    """Return the items of all lists in order, without parsing packed items."""
    if len(lists) == 1:
        return lists[0]
    if not any(isinstance(items, PackedItems) for items in lists):
        return [item for items in lists for item in items]
    packed = [items if isinstance(items, PackedItems) else _packed(items) for items in lists]
    sample = next((items.sample for items in packed if len(items)), [])
    return PackedItems(
        [chunk for items in packed for chunk in items.chunks],
        [count for items in packed for count in items.counts],
        sample,
    )


def chunks_of(items: Items) -> tuple[tuple[bytes, ...], list[int]]:
    """Return the items as JSON arrays, and the number of items in each."""
    packed = items if isinstance(items, PackedItems) else _packed(items)
    return packed.chunks, packed.counts


def has_nul(value: Any) -> bool:
    """Return whether a text in the value contains the NUL character. A value that is not JSON has none."""
    try:
        return holds_nul(orjson.dumps(value, default=fragment))
    except TypeError:
        return False


def fragment(value: Any) -> Any:
    """Encode packed items inside another value: `orjson.dumps(value, default=fragment)`."""
    if isinstance(value, PackedItems):
        return orjson.Fragment(value.text())
    raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")


def plain(value: Any) -> Any:
    """Parse packed items inside another value whose fields must be readable. Used like `fragment`."""
    if isinstance(value, PackedItems):
        return list(value)
    raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")


def main_of(inputs: Mapping[str, Items]) -> Items:
    """Return the items that a node's expressions refer to: those of `main`, else of its first input."""
    return inputs.get("main") or next(iter(inputs.values()), [])


def is_small(inputs: Mapping[str, Items], limit: int) -> bool:
    """Return whether all inputs together have few items and at most `limit` bytes of JSON."""
    left = limit
    for items in inputs.values():
        if isinstance(items, PackedItems) or len(items) > FEW_ITEMS:
            return False
        left -= len(orjson.dumps(items))
    return left >= 0
