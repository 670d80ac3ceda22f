"""What is ready to run. Pure: it sees a graph and the ends of node runs, no database and no clock.

Items travel as deliveries from an output of a node run to an input. A delivery to an ordinary node makes it ready at
once. Two kinds of node wait for others: a *join* (`merge`) until every input that can still receive something has
received it, and an *open loop* until its batch can come back no further. Both come down to one question, asked of the
graph: can anything that is still active reach this node?

The question is answered with counters for each component of the graph (`liveness`), and asked of a node only when
something has changed that may change the answer: a graph of a thousand joins costs a step for each edge, not for each
pair of nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from executions.domain.graph import Edge, Graph
from executions.domain.items import Items, joined
from executions.engine.liveness import Liveness

RunKey = tuple[str, int]
"""(node id, run_index)"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Items that left `output` of a node run for `input` of a node."""

    source: RunKey
    output: str
    input: str
    items: Items

    @property
    def reference(self) -> dict[str, Any]:
        """Return where the items can be found again, as `NodeRun.inputs` keeps it."""
        return {"node": self.source[0], "run_index": self.source[1], "output": self.output}


@dataclass(slots=True)
class Ready:
    """A node run that can start now."""

    node_id: str
    run_index: int
    deliveries: list[Delivery]
    turns: list[Items]

    @property
    def inputs(self) -> dict[str, Items]:
        """Return the items by input, in order of arrival."""
        inputs: dict[str, list[Items]] = {}
        for delivery in self.deliveries:
            inputs.setdefault(delivery.input, []).append(delivery.items)
        return {name: joined(lists) for name, lists in inputs.items()}

    @property
    def references(self) -> dict[str, list[dict[str, Any]]]:
        """Return where the items came from, by input."""
        references: dict[str, list[dict[str, Any]]] = {}
        for delivery in self.deliveries:
            references.setdefault(delivery.input, []).append(delivery.reference)
        return references


@dataclass(slots=True)
class _Gathering:
    """A join that has received something, or an open loop: a node that fires when nothing more can reach it."""

    opened: int
    deliveries: list[Delivery] = field(default_factory=list)
    received: set[str] = field(default_factory=set)
    """The inputs that a join waits for no more."""
    outer: int = 0
    """Of the edges into the node, the first that something outside of its component may still use."""
    inner: int = 0
    """The first that something inside of its component may still use."""


class Plan:
    """The state of one execution as far as readiness goes."""

    def __init__(self, graph: Graph, is_join: Callable[[str], bool]) -> None:
        self._graph = graph
        self._is_join = is_join
        self._components = graph.components
        self._live = Liveness(graph.components)
        self._ready: list[Ready] = []
        self._active: set[RunKey] = set()
        self._gathering: dict[str, _Gathering] = {}
        self._turns: dict[str, list[Items]] = {}
        # A node has one run at a time: what arrives meanwhile, or from outside an open loop, comes after it.
        self._held_back: dict[str, list[Delivery]] = {}
        self._next_run_index: dict[str, int] = {}
        self._settled: set[str] = set()
        self._opened = 0
        self._busy: Counter[str] = Counter()
        """Runs of each node that are ready or active."""
        self._busy_in: Counter[int] = Counter()
        """The same for each component."""
        self._gathering_in: dict[int, set[str]] = {}
        self._to_look: set[str] = set()
        """Gathering nodes that may be able to fire since something has changed."""
        self._watchers: dict[int, set[str]] = {}
        """Gathering nodes that cannot fire while this component is live."""
        self._stuck: set[int] = set()
        """Cycles in which gathering nodes may wait for nothing but each other."""
        self._dead: set[int] | None = None
        """Components that nothing can reach any more, since nodes were last skipped; None: not yet looked at."""
        self._void = False
        """Components have become live: what was found out of gathering nodes no longer holds."""
        self.edges_seen = 0
        """Edges into gathering nodes that were looked at: the cost, as tests count it."""

    # --- what happened ---------------------------------------------------------------------------------------------

    def trigger(self, node_id: str, items: Items) -> None:
        """Start at `node_id` with the items of the execution."""
        self._make_ready(node_id, [Delivery((node_id, -1), "", "main", items)])

    def completed(
        self, key: RunKey, outputs: Mapping[str, Items], *, keep_open: bool = False
    ) -> list[tuple[Edge, Items]]:
        """Take the end of a node run. Returns the edges over which items left, with the items."""
        node_id = key[0]
        was_active = key in self._active
        self._active.discard(key)
        self._busy[node_id] -= was_active
        if keep_open:
            self._open(node_id)
        else:
            self._turns.pop(node_id, None)
        flows = []
        for edge in self._graph.edges_from(node_id):
            items = outputs.get(edge.source_output)
            if items:
                flows.append((edge, items))
                self._deliver(edge.target, Delivery(key, edge.source_output, edge.target_input, items))
        if not keep_open:
            for delivery in self._held_back.pop(node_id, []):
                self._deliver(node_id, delivery)
        if was_active:  # last: what it gave is alive by now, so that nothing seems dead in between
            self._no_longer_busy(node_id)
        return flows

    # --- what follows ----------------------------------------------------------------------------------------------

    def take_ready(self) -> list[Ready]:
        """Return what can start now; each is active until `completed` is called for it."""
        self._fire_gatherings()
        ready, self._ready = self._ready, []
        for run in ready:
            self._active.add((run.node_id, run.run_index))
        return ready

    def take_skipped(self) -> list[str]:
        """Return the nodes, each once, that have not run and can no longer be reached."""
        found, self._dead = self._dead, set()
        dead = range(len(self._components.members)) if found is None else found
        unreached = {
            node_id
            for component in dead
            if not self._live.is_live(component)
            for node_id in self._components.members[component]
            if node_id not in self._next_run_index and node_id not in self._settled
        }
        # In the order of the graph. Few of many nodes are put in order, not all of them looked through.
        place = self._graph.places
        skipped = sorted(unreached, key=place.__getitem__)
        self._settled.update(skipped)
        return skipped

    @property
    def ended(self) -> bool:
        """Tell whether nothing is active, ready or gathering."""
        return not (self._active or self._ready or self._gathering)

    # --- going on after a crash ------------------------------------------------------------------------------------

    def restore(
        self,
        runs: Iterable[RestoredRun],
        trigger: tuple[str, Items],
        skipped: Iterable[str],
        replaced: Mapping[str, Items] | None = None,
    ) -> list[Ready]:
        """Rebuild the state from the node runs of an execution, in the order in which they were recorded.

        A delivery is open if no node run's inputs name it. Items enter at the trigger and, in a rerun with edited
        input, at the nodes of `replaced`, which take these in instead of what was kept for them; where none of the
        node runs has begun with them, one does now. Returns the node runs that had begun and not ended: they are
        active again, and are for the caller to start or to await.
        """
        runs = list(runs)
        replaced = replaced or {}
        entries = {trigger[0]: trigger[1], **replaced}
        self._settled.update(skipped)
        begun: list[Ready] = []
        taken = {
            (run.key[0], name, ref["node"], ref["run_index"], ref["output"])
            for run in runs
            for name, refs in run.inputs.items()
            for ref in refs
        }
        outputs = {run.key: run.outputs for run in runs if run.outputs is not None}
        for run in runs:
            node_id, run_index = run.key
            self._next_run_index[node_id] = max(self._next_run_index.get(node_id, 0), run_index + 1)
            deliveries = [
                Delivery(
                    (ref["node"], ref["run_index"]),
                    ref["output"],
                    name,
                    outputs[ref["node"], ref["run_index"]][ref["output"]],
                )
                for name, refs in run.inputs.items()
                for ref in refs
            ] or ([Delivery((node_id, -1), "", "main", entries[node_id])] if node_id in entries else [])
            ready = Ready(node_id, run_index, deliveries, [])
            turns = self._turns.setdefault(node_id, [])
            turns.append(ready.inputs.get("main", []))
            ready.turns = list(turns)
            if run.outputs is None:
                self._active.add(run.key)
                self._now_busy(node_id)
                begun.append(ready)
            elif run.keep_open:
                self._open(node_id)
            else:
                self._turns.pop(node_id, None)
                self._close(node_id)
        for ready in begun:
            self._close(ready.node_id)
        for run in runs:
            if run.outputs is None:
                continue
            for edge in self._graph.edges_from(run.key[0]):
                items = run.outputs.get(edge.source_output)
                is_open = (edge.target, edge.target_input, *run.key, edge.source_output) not in taken
                if items and is_open and edge.target not in self._settled and not self._is_replaced(edge, replaced):
                    self._deliver(edge.target, Delivery(run.key, edge.source_output, edge.target_input, items))
        entered = {run.key[0] for run in runs if not run.inputs}
        for node_id, items in entries.items():
            if node_id not in entered and node_id not in self._settled:
                self.trigger(node_id, items)
        return begun

    # --- inside ----------------------------------------------------------------------------------------------------

    def _is_replaced(self, edge: Edge, replaced: Mapping[str, Items]) -> bool:
        """Tell whether other items stand in for those of the edge: all but what comes back to the node on a cycle."""
        return edge.target in replaced and not self._graph.leads_back(edge)

    def _deliver(self, node_id: str, delivery: Delivery) -> None:
        of = self._components.of
        if self._is_join(node_id):
            if node_id not in self._gathering:
                self._open(node_id)
            gathering = self._gathering[node_id]
            gathering.deliveries.append(delivery)
            gathering.received.add(delivery.input)
            self._to_look.add(node_id)
        elif node_id in self._gathering and of[delivery.source[0]] == of[node_id]:  # it comes back on the loop's cycle
            self._gathering[node_id].deliveries.append(delivery)
        elif node_id in self._gathering or self._busy[node_id]:
            self._held_back.setdefault(node_id, []).append(delivery)
        else:
            self._make_ready(node_id, [delivery])

    def _make_ready(self, node_id: str, deliveries: list[Delivery]) -> None:
        run_index = self._next_run_index.get(node_id, 0)
        self._next_run_index[node_id] = run_index + 1
        ready = Ready(node_id, run_index, deliveries, [])
        turns = self._turns.setdefault(node_id, [])
        turns.append(ready.inputs.get("main", []))
        ready.turns = list(turns)
        self._ready.append(ready)
        self._now_busy(node_id)

    # --- who is alive ----------------------------------------------------------------------------------------------

    def _open(self, node_id: str) -> None:
        self._opened += 1
        is_new = node_id not in self._gathering
        self._gathering[node_id] = _Gathering(self._opened)
        self._to_look.add(node_id)
        if is_new:
            component = self._components.of[node_id]
            self._gathering_in.setdefault(component, set()).add(node_id)
            self._add(component)
            self._note_cycle(component)

    def _close(self, node_id: str) -> list[Delivery]:
        """Return what the node has gathered; it gathers no more."""
        gathering = self._gathering.pop(node_id, None)
        if gathering is None:
            return []
        component = self._components.of[node_id]
        self._gathering_in[component].discard(node_id)
        self._to_look.discard(node_id)
        self._remove(component)
        return gathering.deliveries

    def _now_busy(self, node_id: str) -> None:
        component = self._components.of[node_id]
        self._busy[node_id] += 1
        self._busy_in[component] += 1
        self._add(component)

    def _no_longer_busy(self, node_id: str) -> None:
        component = self._components.of[node_id]
        self._busy_in[component] -= 1
        self._remove(component)

    def _add(self, component: int) -> None:
        # It happens only while items enter: what is alive leads to all that can become so.
        self._void |= self._live.add(component) and bool(self._gathering)

    def _remove(self, component: int) -> None:
        died, weakened = self._live.remove(component)
        for dead in died:
            self._to_look.update(self._watchers.pop(dead, ()))
        if self._dead is not None:
            self._dead.update(died)
        for changed in (component, *weakened):
            self._note_cycle(changed)

    def _note_cycle(self, component: int) -> None:
        """Note a cycle whose gathering nodes nothing outside of them can reach: one alone can fire, of several one."""
        waiting = self._gathering_in.get(component)
        if waiting and self._components.cyclic[component] and self._is_left_alone(component):
            if len(waiting) == 1:
                self._to_look.update(waiting)
            else:
                self._stuck.add(component)

    def _is_left_alone(self, component: int) -> bool:
        return self._live.sources[component] == 0 and self._busy_in[component] == 0

    # --- who fires -------------------------------------------------------------------------------------------------

    def _fire_gatherings(self) -> None:
        """Make ready every join and open loop that nothing alive can reach any more.

        Those that only block each other stand in a cycle: the one that opened last lies innermost and goes first.
        """
        if self._void:
            self._void = False
            for gathering in self._gathering.values():
                gathering.outer = gathering.inner = 0
            self._to_look.update(self._gathering)
        looked, self._to_look = self._to_look, set()
        firing = [node_id for node_id in looked if node_id in self._gathering and self._can_fire(node_id)]
        if not firing and self._stuck:
            firing = self._innermost()
        for node_id in sorted(firing, key=lambda n: self._gathering[n].opened):
            gathering = self._gathering[node_id]
            self._make_ready(node_id, gathering.deliveries)
            self._close(node_id)

    def _can_fire(self, node_id: str) -> bool:
        """Tell whether nothing alive, besides the node itself, can send to an input that it waits for."""
        gathering, own = self._gathering[node_id], self._components.of[node_id]
        edges, of = self._graph.edges_into(node_id), self._components.of
        while gathering.outer < len(edges):
            edge = edges[gathering.outer]
            source = of[edge.source]
            if source != own and edge.target_input not in gathering.received and self._live.is_live(source):
                self._watchers.setdefault(source, set()).add(node_id)
                return False
            gathering.outer += 1
            self.edges_seen += 1
        if not self._components.cyclic[own]:
            return True
        while gathering.inner < len(edges):
            edge = edges[gathering.inner]
            if of[edge.source] == own and edge.target_input not in gathering.received:
                return self._is_left_alone(own) and len(self._gathering_in[own]) == 1
            gathering.inner += 1
            self.edges_seen += 1
        return True

    def _innermost(self) -> list[str]:
        """Return the node that fires where gathering nodes wait for nothing but each other: the one that opened last
        of all that nothing active can reach."""
        self._stuck = {c for c in self._stuck if self._is_left_alone(c) and len(self._gathering_in[c]) > 1}
        if not self._stuck:
            return []
        busy = {component for component, runs in self._busy_in.items() if runs}
        reached = busy | self._components.behind(busy)
        for node_id in sorted(self._gathering, key=lambda n: -self._gathering[n].opened):
            received = self._gathering[node_id].received
            if not any(
                self._components.of[edge.source] in reached and edge.target_input not in received
                for edge in self._graph.edges_into(node_id)
            ):
                return [node_id]
        return []


@dataclass(frozen=True, slots=True)
class RestoredRun:
    """What a node run's row says: `outputs` is None while it has not ended."""

    key: RunKey
    inputs: Mapping[str, list[dict[str, Any]]]
    outputs: Mapping[str, Items] | None
    keep_open: bool
