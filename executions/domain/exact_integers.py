"""Integers beyond 2^53 in what JavaScript returns: a value that it only passed on is exact again. Pure.

JavaScript reads 7615917337495251231 as a double and writes 7615917337495251000. What it returns is compared with what
it was given: the integer in the same place of the item that the returned one came from, or else the only integer of the
inputs that is this double. If there are several, which one is meant cannot be known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from workflow_platform.core import exact_json

_LARGE = re.compile(r"(?<![\w.\\])-?\d{16,20}(?![\d.eE])")
_MAY_BE_LARGE = re.compile(r"\d{16}")
SAFE = 2**53
_MOST = 10_000
"""How many integers of the inputs are remembered."""


class AmbiguousInteger(Exception):
    """A returned number may be one of several integers of the inputs; the message names two."""


def has_large(text: str) -> bool:
    """Return whether a JSON text may have an integer beyond 2^53."""
    return _MAY_BE_LARGE.search(text) is not None


class KnownIntegers:
    """The integers beyond 2^53 in JSON texts that JavaScript was given."""

    def __init__(self, given: Iterable[str]) -> None:
        self._by_double = dict[float, list[int]]()
        for text in given:
            for found in _LARGE.finditer(text) if has_large(text) else ():
                self._add(int(found.group()))

    def _add(self, number: int) -> None:
        double = float(number)
        is_new = double not in self._by_double
        if abs(number) <= SAFE or not exact_json.LEAST <= number <= exact_json.MOST:
            return
        if is_new and len(self._by_double) >= _MOST:
            return
        integers = self._by_double.setdefault(double, [])
        if number not in integers and len(integers) < 2:
            integers.append(number)

    def restored(self, value: Any, source: Any = None) -> Any:
        """Return a value that JavaScript made, with exact integers; `source` is the item that it came from. Raises
        AmbiguousInteger."""
        return _restored(value, self._by_double, source) if self._by_double else value

    def restored_items(self, text: str, items: str, origins: Sequence[int | None]) -> str:
        """Return the JSON of items, with exact integers. `origins` says which one of `items` each came from. Raises
        AmbiguousInteger."""
        if not self._by_double:
            return text
        value, sources = exact_json.read(text), exact_json.read(items)
        if not isinstance(value, list):
            return text
        made = [self.restored(each, _source(sources, origins, index, each)) for index, each in enumerate(value)]
        return exact_json.write(made).decode()


def _source(sources: Any, origins: Sequence[int | None], index: int, item: Any) -> Any:
    origin = origins[index] if index < len(origins) else None
    if origin is None and isinstance(item, dict):
        origin = item.get("pairedItem")
    return sources[origin] if type(origin) is int and 0 <= origin < len(sources) else None


def _restored(value: Any, known: dict[float, list[int]], source: Any) -> Any:
    if isinstance(value, dict):
        # `{json, pairedItem}` is the item that `json` holds.
        inside = {"json": source} if "json" in value and isinstance(source, dict) and "json" not in source else source
        return {
            name: _restored(inner, known, inside.get(name) if isinstance(inside, dict) else None)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        same = source if isinstance(source, list) else ()
        return [
            _restored(inner, known, same[index] if index < len(same) else None) for index, inner in enumerate(value)
        ]
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) <= SAFE:
        return value
    double = float(value)
    if isinstance(source, int) and not isinstance(source, bool) and float(source) == double:
        return source
    integers = known.get(double, [])
    if len(integers) > 1:
        raise AmbiguousInteger(
            f"the number {value} may be {integers[0]} or {integers[1]} of the items: JavaScript cannot tell integers"
            " beyond 2^53 apart. Return the item that has it unchanged, use a node that runs no code, or have the"
            " numbers sent as texts"
        )
    return integers[0] if integers else value
