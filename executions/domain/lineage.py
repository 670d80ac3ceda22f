"""Which input items the output items of a node run came from. Pure.

The input items of a node run have one numbering: those of its first input from 0, then those of the next input, in the
order of `NodeContext.inputs`, which is that of `input_order`. A loop continues the numbering over the inputs of all its
iterations since it opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

MAX_ORIGINS = 1_000_000
"""The most numbers that are kept for one output. Beyond, its origins are unknown."""

Origin = int | list[int] | None
"""The number of the input item that an output item came from, or the numbers of several; none at all for an item that
was made of nothing. None: unknown."""
Origins = Literal["same"] | list[Origin]
"""The origin of each item of an output. `same`: item i came from input item i, and there are as many."""
Lineage = Mapping[str, Origins]
"""The origins by output. Those of an output that is missing are unknown."""

SAME: Final = "same"


def input_order(name: str) -> tuple[int, bytes]:
    """Return the sort key of an input: the order in which the database returns the names, so that items have the same
    numbers after a recovery."""
    text = name.encode()
    return len(text), text


def compact(origins: list[Origin], inputs: int) -> Origins:
    """Return the origins in their shortest form, for a node run with `inputs` input items."""
    return SAME if len(origins) == inputs and origins == list(range(inputs)) else origins


def of_all(inputs: int) -> Origins:
    """Return the origins of one item that was made of all input items."""
    return compact([list(range(inputs))], inputs)


def numbered_from(first: int, lineage: Lineage, inputs: int) -> Lineage:
    """Return the lineage of a later iteration of a loop, whose `inputs` input items are numbered from `first`, made of
    one that numbers them from 0 and has no lists."""
    if not first:
        return lineage
    return {
        name: [first + origin for origin in (range(inputs) if origins == SAME else origins) if isinstance(origin, int)]
        for name, origins in lineage.items()
    }


def limited(lineage: Lineage, counts: Mapping[str, int]) -> dict[str, Origins]:
    """Return the lineage without the outputs that have no items, by `counts`, or too many numbers."""
    return {
        name: origins
        for name, origins in lineage.items()
        if counts.get(name) and (origins == SAME or _numbers(origins) <= MAX_ORIGINS)
    }


def _numbers(origins: Origins) -> int:
    if _are_single(origins):
        return len(origins)
    return sum(len(origin) if isinstance(origin, list) else 1 for origin in origins)


def _are_single(origins: Origins) -> bool:
    """Return whether each item came from one input item: in one pass without Python's work per item."""
    return set(map(type, origins)) <= {int}


def misfits(lineage: Lineage, counts: Mapping[str, int], inputs: int) -> list[str]:
    """Return the outputs, with `counts` items made of `inputs` input items, whose origins cannot be right."""
    return [name for name, origins in lineage.items() if not _fits(origins, counts[name], inputs)]


def _fits(origins: Origins, count: int, inputs: int) -> bool:
    if isinstance(origins, str):
        return count == inputs
    if len(origins) != count:
        return False
    plain: list[Any] = origins
    if not _are_single(origins):
        plain = [number for origin in origins for number in (origin if isinstance(origin, list) else [origin])]
        plain = [number for number in plain if number is not None]
    return not plain or (min(plain) >= 0 and max(plain) < inputs)


def origin_of(origins: Origins | None, index: int) -> Sequence[int] | None:
    """Return the numbers of the input items that an output item came from; None if unknown."""
    if origins is None:
        return None
    if origins == SAME:
        return [index]
    origin = origins[index]
    assert not isinstance(origin, str)
    return [origin] if isinstance(origin, int) else origin
