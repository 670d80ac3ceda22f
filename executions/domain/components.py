"""The strongly connected components of a graph: its cycles, and what leads from one to the next. Pure.

Between components there are no cycles, so questions about what can still be reached are answered with counters there
instead of searches. Components are numbered so that edges lead from higher numbers to lower ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence


class Components:
    """Computed once for each graph, in time linear in its nodes and edges."""

    def __init__(self, targets: Mapping[str, Sequence[str]]) -> None:
        """`targets` has the nodes that each node's edges lead to."""
        self.of: dict[str, int] = {}
        """The component of each node."""
        self.members: list[list[str]] = []
        for members in _strongly_connected(targets):
            self.of.update(dict.fromkeys(members, len(self.members)))
            self.members.append(members)
        self.successors: list[list[int]] = []
        """The components, each once, that edges of a component lead to; without itself."""
        self.cyclic: list[bool] = []
        """Whether a component is a cycle: its nodes lead to each other, or its only node to itself."""
        for number, members in enumerate(self.members):
            reached = dict.fromkeys(self.of[target] for node in members for target in targets[node])
            self.cyclic.append(number in reached)
            reached.pop(number, None)
            self.successors.append(list(reached))

    def behind(self, components: Iterable[int]) -> set[int]:
        """Return the components that lie behind any of these; one of these only if another leads to it."""
        found: set[int] = set()
        stack = list(components)
        while stack:
            for successor in self.successors[stack.pop()]:
                if successor not in found:
                    found.add(successor)
                    stack.append(successor)
        return found


def _strongly_connected(targets: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Yield the components, those that lie behind first (Tarjan's algorithm, without recursion)."""
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
                    yield _taken_off(open_, node)


def _taken_off(open_: dict[str, None], first: str) -> list[str]:
    members = []
    while True:
        node, _ = open_.popitem()
        members.append(node)
        if node == first:
            return members
