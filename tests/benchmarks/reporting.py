"""One JSON line for each figure."""

from __future__ import annotations

import json
from typing import Any, Protocol


class Report(Protocol):
    """What a benchmark calls for each figure."""

    def __call__(self, figure: str, unit: str, value: float, baseline: float | None = None, **further: Any) -> None: ...


def report(figure: str, unit: str, value: float, baseline: float | None = None, **further: Any) -> None:
    """Print a figure: `ratio` is value / baseline, where there is a baseline."""
    line: dict[str, Any] = {"figure": figure, "unit": unit, "value": round(value, 2)}
    if baseline is not None:
        line |= {"baseline": round(baseline, 2), "ratio": round(value / baseline, 3) if baseline else None}
    print(json.dumps(line | further), flush=True)
