"""The paths of edges between nodes that have their places: a curve forwards, and around the nodes backwards."""

from __future__ import annotations

WIDTH, HEIGHT = 196, 60
"""Of a node."""
CLEARANCE = 16
"""Between the horizontal part of a back edge and the nodes, and other back edges, next to it."""
OUT = 20
"""How far a back edge leaves its nodes sideways."""
RADIUS = 10
MAX_ROUTED = 60
"""Back edges that are led around the nodes. A graph of nothing but cycles gets curves for the rest."""
MAX_TRIED = 24
"""Heights that are tried for each back edge, the nearest first."""

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class EdgePaths:
    """Makes the paths of one graph. Back edges keep clear of those before them."""

    def __init__(self, nodes: dict[str, dict[str, float]]) -> None:
        """`nodes`: the boxes by id, with `x`, `y`, `width` and `height`."""
        self._nodes = nodes
        self._obstacles: list[Rectangle] = [(n["x"], n["y"], n["x"] + WIDTH, n["y"] + HEIGHT) for n in nodes.values()]
        self._routed = 0
        self.lowest = 0.0
        """The bottom of the lowest path."""

    def between(self, source: str, target: str) -> str:
        """Return the path from the right of the source to the left of the target."""
        x1, y1 = self._nodes[source]["x"] + WIDTH, self._nodes[source]["y"] + HEIGHT / 2
        x2, y2 = self._nodes[target]["x"], self._nodes[target]["y"] + HEIGHT / 2
        if x2 > x1:
            bend = max(30.0, (x2 - x1) / 2)
            return f"M{x1:.0f},{y1:.0f} C{x1 + bend:.0f},{y1:.0f} {x2 - bend:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
        if self._routed < MAX_ROUTED:
            self._routed += 1
            return self._around(x1, y1, x2, y2)
        low = max(y1, y2) + HEIGHT
        self.lowest = max(self.lowest, low)
        return f"M{x1:.0f},{y1:.0f} C{x1 + 60:.0f},{low:.0f} {x2 - 60:.0f},{low:.0f} {x2:.0f},{y2:.0f}"

    def _around(self, x1: float, y1: float, x2: float, y2: float) -> str:
        """Return the path of a back edge: out, to a height at which nothing is in the way, back, and in."""
        right, left = x1 + OUT, x2 - OUT
        near = [each for each in self._obstacles if each[2] >= left - CLEARANCE and each[0] <= right + CLEARANCE]
        y = self._free_height(near, left, right, y1, y2)
        self._obstacles.append((left, y, right, y))
        self.lowest = max(self.lowest, y)
        return (
            f"M{x1:.0f},{y1:.0f} H{right - RADIUS:.0f} Q{right:.0f},{y1:.0f} {right:.0f},{y1 + _towards(y1, y):.0f}"
            f" V{y - _towards(y1, y):.0f} Q{right:.0f},{y:.0f} {right - RADIUS:.0f},{y:.0f} H{left + RADIUS:.0f}"
            f" Q{left:.0f},{y:.0f} {left:.0f},{y + _towards(y, y2):.0f} V{y2 - _towards(y, y2):.0f}"
            f" Q{left:.0f},{y2:.0f} {left + RADIUS:.0f},{y2:.0f} H{x2:.0f}"
        )

    @staticmethod
    def _free_height(near: list[Rectangle], left: float, right: float, y1: float, y2: float) -> float:
        """Return the nearest height that crosses no node; if there is none, the one that crosses the fewest."""
        heights = {bottom + CLEARANCE for _, _, _, bottom in near}
        heights |= {top - CLEARANCE for _, top, _, _ in near if top >= 2 * CLEARANCE}

        def length(y: float) -> float:
            return abs(y - y1) + abs(y - y2) + (0.1 if y < y1 else 0)  # below rather than above

        def crossed(y: float) -> int:
            row = (left, y - CLEARANCE + 1, right, y + CLEARANCE - 1)
            out, back = (right, min(y, y1), right, max(y, y1)), (left, min(y, y2), left, max(y, y2))
            return sum(_meets(part, each) for each in near for part in (row, out, back))

        tried = sorted(heights, key=length)[:MAX_TRIED]
        tried.append(max((bottom for _, _, _, bottom in near), default=y1) + CLEARANCE)
        return min(tried, key=lambda y: (crossed(y), length(y)))


def _meets(one: Rectangle, other: Rectangle) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _towards(start: float, end: float) -> float:
    """Return the radius, with the sign of the direction."""
    return RADIUS if end >= start else -RADIUS
