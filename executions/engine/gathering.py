"""The nodes that collect items before they run: joins and open loops. Pure.

A *join* (`merge`) waits for every input that can still receive items. An *open loop* waits until its batch can no
longer come back. For both the question is the same: can a node that is still active reach this one?

The counters of `liveness` answer it for each strongly connected component of the graph. A gathering node is checked
again only after a change that can alter the answer, so a graph of a thousand joins costs one step for each edge instead
of one for each pair of nodes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from executions.domain.graph import Graph
from executions.engine.flow import Flow
from executions.engine.liveness import Liveness


@dataclass(slots=True)
class Gathering:
    """A join that has received items, or an open loop."""

    opened: int
    """Its position in the order of opening."""
    flows: list[Flow] = field(default_factory=list)
    received: set[str] = field(default_factory=set)
    """The inputs that a join no longer waits for."""
    outer: int = 0
    """Index of the first edge into the node, from another component, that can still carry items."""
    inner: int = 0
    """Index of the first edge into the node, from its own component, that can still carry items."""


class Gatherings:
    """The gathering nodes of one execution, and which of them can fire."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._components = graph.components
        self._live = Liveness(graph.components)
        self.by_node: dict[str, Gathering] = {}
        self._by_component: dict[int, set[str]] = {}
        self._opened = 0
        self._busy: Counter[int] = Counter()
        """Node runs of each component that are ready or active."""
        self._to_check: set[str] = set()
        """Gathering nodes that may be able to fire because something has changed."""
        self._watchers: dict[int, set[str]] = {}
        """Gathering nodes that cannot fire while this component is live."""
        self._stuck: set[int] = set()
        """Cycles in which gathering nodes may be waiting only for each other."""
        self._dead: set[int] | None = None
        """Components that have become unreachable since `take_unreachable`; None: all have to be checked."""
        self._must_recheck = False
        """A component has become live: what is known of the gathering nodes no longer holds."""
        self._edges_checked = 0

    @property
    def steps(self) -> int:
        """Return how many edges were looked at: the cost, as tests count it."""
        return self._edges_checked + self._live.steps

    def open(self, node_id: str) -> None:
        """Let the node collect items; a loop that is open already starts over."""
        self._opened += 1
        is_new = node_id not in self.by_node
        self.by_node[node_id] = Gathering(self._opened)
        self._to_check.add(node_id)
        if is_new:
            component = self._components.of[node_id]
            self._by_component.setdefault(component, set()).add(node_id)
            self._add(component)
            self._note_cycle(component)

    def close(self, node_id: str) -> None:
        """Stop collecting for the node, if it does."""
        if self.by_node.pop(node_id, None) is None:
            return
        component = self._components.of[node_id]
        self._by_component[component].discard(node_id)
        self._to_check.discard(node_id)
        self._remove(component)

    def receive(self, node_id: str, flow: Flow) -> None:
        """Add items to a join, which opens with the first."""
        if node_id not in self.by_node:
            self.open(node_id)
        gathering = self.by_node[node_id]
        gathering.flows.append(flow)
        gathering.received.add(flow.input)
        self._to_check.add(node_id)

    def is_returning(self, node_id: str, flow: Flow) -> bool:
        """Return whether the items come back to an open loop on its own cycle."""
        return self._components.of[flow.source[0]] == self._components.of[node_id]

    def run_added(self, node_id: str) -> None:
        """Note that a run of the node is ready or active."""
        component = self._components.of[node_id]
        self._busy[component] += 1
        self._add(component)

    def run_removed(self, node_id: str) -> None:
        """Note that a run of the node has ended."""
        component = self._components.of[node_id]
        self._busy[component] -= 1
        self._remove(component)

    def firing(self) -> list[str]:
        """Return the joins and open loops that no active node can reach any more, in the order of their opening.

        Where gathering nodes in a cycle block only each other, the one that opened last is innermost and goes first.
        """
        if self._must_recheck:
            self._must_recheck = False
            for gathering in self.by_node.values():
                gathering.outer = gathering.inner = 0
            self._to_check.update(self.by_node)
        if not self._to_check and not self._stuck:
            return []
        checked, self._to_check = self._to_check, set()
        firing = [node_id for node_id in checked if node_id in self.by_node and self._can_fire(node_id)]
        if not firing and self._stuck:
            firing = self._innermost()
        return sorted(firing, key=lambda node_id: self.by_node[node_id].opened)

    def take_unreachable(self) -> list[str]:
        """Return nodes, each once, that no active node can reach any more."""
        members, unreachable = self._components.members, list[str]()
        dead, self._dead = self._dead, set()
        for component in range(len(members)) if dead is None else dead:
            if not self._live.is_live(component):
                unreachable += members[component]
        return unreachable

    # --- liveness --------------------------------------------------------------------------------------------------

    def _add(self, component: int) -> None:
        # A component becomes live only while items enter: every later one is reachable from those.
        self._must_recheck |= self._live.add(component) and bool(self.by_node)

    def _remove(self, component: int) -> None:
        died, weakened = self._live.remove(component)
        for dead in died:
            self._to_check.update(self._watchers.pop(dead, ()))
        if self._dead is not None:
            self._dead.update(died)
        for changed in (component, *weakened):
            self._note_cycle(changed)

    def _note_cycle(self, component: int) -> None:
        """Note a cycle whose gathering nodes nothing outside can reach: one of them can fire."""
        waiting = self._by_component.get(component)
        if waiting and self._components.cyclic[component] and self._is_isolated(component):
            if len(waiting) == 1:
                self._to_check.update(waiting)
            else:
                self._stuck.add(component)

    def _is_isolated(self, component: int) -> bool:
        return self._live.sources[component] == 0 and self._busy[component] == 0

    # --- firing ----------------------------------------------------------------------------------------------------

    def _can_fire(self, node_id: str) -> bool:
        """Return whether no other live node can send to an input that this one waits for."""
        gathering, own = self.by_node[node_id], self._components.of[node_id]
        edges, of = self._graph.edges_into(node_id), self._components.of
        while gathering.outer < len(edges):
            edge = edges[gathering.outer]
            source = of[edge.source]
            if source != own and edge.target_input not in gathering.received and self._live.is_live(source):
                self._watchers.setdefault(source, set()).add(node_id)
                return False
            gathering.outer += 1
            self._edges_checked += 1
        if not self._components.cyclic[own]:
            return True
        while gathering.inner < len(edges):
            edge = edges[gathering.inner]
            if of[edge.source] == own and edge.target_input not in gathering.received:
                return self._is_isolated(own) and len(self._by_component[own]) == 1
            gathering.inner += 1
            self._edges_checked += 1
        return True

    def _innermost(self) -> list[str]:
        """Return the node that opened last among the gathering nodes that nothing active can reach, if there is one."""
        self._stuck = {c for c in self._stuck if self._is_isolated(c) and len(self._by_component[c]) > 1}
        if not self._stuck:
            return []
        busy = {component for component, runs in self._busy.items() if runs}
        reached = busy | self._components.behind(busy)
        for node_id in sorted(self.by_node, key=lambda n: -self.by_node[n].opened):
            received = self.by_node[node_id].received
            if not any(
                self._components.of[edge.source] in reached and edge.target_input not in received
                for edge in self._graph.edges_into(node_id)
            ):
                return [node_id]
        return []
