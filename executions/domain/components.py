"""The strongly connected components of a graph: its cycles, and the edges between them. Pure.

The graph of components has no cycles, so reachability is computed there with counters instead of searches. Components
are numbered so that edges lead from higher numbers to lower ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence


class Components:
    """The components of one graph. Computed in time linear in its nodes and edges."""

    def __init__(self, targets: Mapping[str, Sequence[str]]) -> None:
        """`targets`: for each node, the targets of its edges."""
        self.of: dict[str, int] = {}
        """The component of each node."""
        self.members: list[list[str]] = []
        for members in _strongly_connected(targets):
            self.of.update(dict.fromkeys(members, len(self.members)))
            self.members.append(members)
        self.successors: list[list[int]] = []
        """The components that edges of a component lead to, each once and without the component itself."""
        self.cyclic: list[bool] = []
        """Whether a component is a cycle: several nodes, or one node with an edge to itself."""
        for number, members in enumerate(self.members):
            reached = dict.fromkeys(self.of[target] for node in members for target in targets[node])
            self.cyclic.append(number in reached)
            reached.pop(number, None)
            self.successors.append(list(reached))

    def behind(self, components: Iterable[int]) -> set[int]:
        """Return the components downstream of any of these; one of these only if it is downstream of another."""
        reached: set[int] = set()
        stack = list(components)
        while stack:
            for successor in self.successors[stack.pop()]:
                if successor not in reached:
                    reached.add(successor)
                    stack.append(successor)
        return reached


def _strongly_connected(targets: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Yield the components, downstream ones first (Tarjan's algorithm, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: dict[str, None] = {}
    for root in targets:
        if root in index:
            continue
        path: list[tuple[str, Iterator[str]]] = [(root, iter(targets[root]))]
        index[root] = low[root] = len(index)
        open_[root] = None
        while path:
            node, edges = path[-1]
            for target in edges:
                if target not in index:
                    index[target] = low[target] = len(index)
                    open_[target] = None
                    path.append((target, iter(targets[target])))
                    break
                if target in open_:
                    low[node] = min(low[node], index[target])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == index[node]:
                    yield _pop_component(open_, node)


def _pop_component(open_: dict[str, None], first: str) -> list[str]:
    members = []
    while True:
        node, _ = open_.popitem()
        members.append(node)
        if node == first:
            return members
