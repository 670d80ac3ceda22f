"""Which input items the output items of a node run came from. Pure.

The input items of a node run have one numbering: those of its first input from 0, then those of the next input, in the
order of `NodeContext.inputs`. A loop continues it over the inputs of all its iterations since it opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

Origin = int | list[int]
"""The number of the input item that an output item came from, or the numbers of several."""
Origins = Literal["same"] | list[Origin]
"""The origin of each item of an output. `same`: item i came from input item i, and there are as many."""
Lineage = Mapping[str, Origins]
"""The origins by output. Those of an output that is missing are unknown."""

SAME: Final = "same"


def compact(origins: list[Origin], inputs: int) -> Origins:
    """Return the origins in their shortest form, for a node run with `inputs` input items."""
    return SAME if len(origins) == inputs and origins == list(range(inputs)) else origins


def of_all(inputs: int) -> Origins:
    """Return the origins of one item that was made of all input items."""
    return compact([list(range(inputs))], inputs)


def origin_of(origins: Origins | None, index: int) -> Sequence[int] | None:
    """Return the numbers of the input items that an output item came from; None if unknown."""
    if origins is None:
        return None
    if origins == SAME:
        return [index]
    origin = origins[index]
    assert not isinstance(origin, str)
    return [origin] if isinstance(origin, int) else origin
