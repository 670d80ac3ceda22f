"""Where the marks of a chart stand. Pure: templates draw them as SVG, stretched over `WIDTH` by `HEIGHT`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

WIDTH, HEIGHT = 600, 100


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `parts` of `(name, y, height)` from the ground up, and `title`, which says it in words."""

    x: float
    width: float
    parts: list[tuple[str, float, float]]
    title: str


def stacked(counts: Sequence[Mapping[str, int]], names: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """Return `{bars, most}`: a bar for each of `counts`, whose `names` stand on each other in their order."""
    most = rounded_up(max((sum(each.get(name, 0) for name in names) for each in counts), default=0))
    step = WIDTH / max(1, len(counts))
    bars = []
    for index, (each, label) in enumerate(zip(counts, labels, strict=True)):
        parts, ground = [], float(HEIGHT)
        for name in names:
            if count := each.get(name, 0):
                height = max(1.0, count * HEIGHT / most)  # one among thousands is seen too
                ground -= height
                parts.append((name, round(max(0.0, ground), 2), round(height, 2)))
        said = ", ".join(f"{each[name]:,} {name}" for name in names if each.get(name)) or "none"
        bars.append(Bar(round(index * step, 2), round(step * 0.72, 2), parts, f"{label}: {said}"))
    return {"bars": bars, "most": most}


def curve(values: Sequence[float | None], most: float) -> str:
    """Return an SVG path through `values`, from nothing to `most`; where there is none it is interrupted.

    A value between two gaps is a short level line, or it would not be seen.
    """
    step = WIDTH / max(1, len(values))
    words: list[str] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        x, y = (index + 0.5) * step, HEIGHT - min(value, most) * HEIGHT / (most or 1)
        begins = index == 0 or values[index - 1] is None
        ends = index + 1 == len(values) or values[index + 1] is None
        if begins and ends:
            words.append(f"M{x - step * 0.3:.1f} {y:.1f}H{x + step * 0.3:.1f}")
        else:
            words.append(f"{'M' if begins else 'L'}{x:.1f} {y:.1f}")
    return "".join(words)


def rounded_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50 …: where a scale ends."""
    if value <= 1:
        return 1
    size = 10.0 ** floor(log10(value))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= value)
