"""Which parts of a graph can still get work: those with a run under way or a node that gathers, and all behind them.

Kept with counters. A part that can get none any more never can again, so that over a whole execution each edge between
parts costs one step, whatever the graph looks like. Pure.
"""

from __future__ import annotations

from executions.domain.components import Components


class Liveness:
    """Counts, for each component, what is alive in it and how many of the components before it are live."""

    def __init__(self, components: Components) -> None:
        self._components = components
        self._alive = [0] * len(components.members)
        self.sources = [0] * len(components.members)
        """How many of the components that lead directly to this one are live."""
        self.steps = 0
        """Edges between components that were looked at: the cost, as tests count it."""

    def is_live(self, component: int) -> bool:
        """Tell whether something is alive in the component or before it."""
        return self._alive[component] > 0 or self.sources[component] > 0

    def add(self, component: int) -> bool:
        """Something has become alive there. Returns whether the component was not live before."""
        self._alive[component] += 1
        if self._alive[component] > 1 or self.sources[component]:
            return False
        born = [component]
        while born:
            for successor in self._components.successors[born.pop()]:
                self.steps += 1
                self.sources[successor] += 1
                if self.sources[successor] == 1 and not self._alive[successor]:
                    born.append(successor)
        return True

    def remove(self, component: int) -> tuple[list[int], list[int]]:
        """Something is no longer alive there. Returns the components that are live no more, and those that one source
        less leads to."""
        self._alive[component] -= 1
        if self.is_live(component):
            return [], []
        died, weakened = [component], []
        for dead in died:
            for successor in self._components.successors[dead]:
                self.steps += 1
                self.sources[successor] -= 1
                weakened.append(successor)
                if not self.is_live(successor):
                    died.append(successor)
        return died, weakened
