"""Which components of a graph can still receive work: those with a node run or a gathering node, and all behind them.

Pure. A component that can no longer receive work never can again, so over a whole execution each edge between
components costs one step, whatever the graph looks like.
"""

from __future__ import annotations

from executions.domain.components import Components


class Liveness:
    """Counts the active members of each component, and the live components that lead to it."""

    def __init__(self, components: Components) -> None:
        self._components = components
        self._active = [0] * len(components.members)
        self.sources = [0] * len(components.members)
        """How many of the components that lead directly to this one are live."""
        self.steps = 0
        """Edges between components that were looked at: the cost, as tests count it."""

    def is_live(self, component: int) -> bool:
        """Return whether something is active in the component or before it."""
        return self._active[component] > 0 or self.sources[component] > 0

    def add(self, component: int) -> bool:
        """Count one more active member. Returns whether the component was not live before."""
        self._active[component] += 1
        if self._active[component] > 1 or self.sources[component]:
            return False
        became_live = [component]
        while became_live:
            for successor in self._components.successors[became_live.pop()]:
                self.steps += 1
                self.sources[successor] += 1
                if self.sources[successor] == 1 and not self._active[successor]:
                    became_live.append(successor)
        return True

    def remove(self, component: int) -> tuple[list[int], list[int]]:
        """Decrease the number of active members. Returns the components that are no longer live, and those that lost a
        live source."""
        self._active[component] -= 1
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
