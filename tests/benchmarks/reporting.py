"""One JSON line for each figure."""

from __future__ import annotations

import json
from typing import Any, Protocol


class Report(Protocol):
    """What a benchmark calls for each figure."""

    def __call__(self, figure: str, unit: str, value: float, baseline: float | None = None, **further: Any) -> None: ...


def report(figure: str, unit: str, value: float, baseline: float | None = None, **further: Any) -> None:
    """Print a figure: `ratio` is value / baseline, where there is a baseline."""
    line: dict[str, Any] = {"figure": figure, "unit": unit, "value": rounded(value)}
    if baseline is not None:
        line |= {"baseline": rounded(baseline), "ratio": rounded(value / baseline) if baseline else None}
    print(json.dumps(line | further), flush=True)


def rounded(value: float) -> float:
    """Return four digits of it."""
    return float(f"{value:.4g}")
