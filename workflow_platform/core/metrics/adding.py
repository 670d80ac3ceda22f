"""Sums of series. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from workflow_platform.core.instruments import Series


def added(parts: Iterable[Mapping[str, Sequence[float]]]) -> Series:
    """Return the sum of series, element by element."""
    total: Series = {}
    for part in parts:
        for series, values in part.items():
            before = total.get(series, ())
            total[series] = [a + b for a, b in zip_longest(before, values, fillvalue=0.0)]
    return total


def since(series: Mapping[str, Sequence[float]], baseline: Mapping[str, Sequence[float]]) -> Series:
    """Return what was counted after `baseline`."""
    return {
        name: [a - b for a, b in zip_longest(values, baseline.get(name, ()), fillvalue=0.0)]
        for name, values in series.items()
    }
