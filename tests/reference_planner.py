"""The planner as it was before it kept counters: it searches the graph at every step. The reference for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from executions.domain.graph import Edge, Graph
from executions.engine.flow import Flow, Items, Ready, RestoredRun, RunKey


@dataclass(slots=True)
class _Gathering:
    opened: int
    flows: list[Flow] = field(default_factory=list)


class ReferencePlanner:
    """The state of one execution as far as readiness goes."""

    def __init__(self, graph: Graph, is_join: Callable[[str], bool]) -> None:
        self._graph = graph
        self._is_join = is_join
        self._ready: list[Ready] = []
        self._active: set[RunKey] = set()
        self._gathering: dict[str, _Gathering] = {}
        self._iterations: dict[str, list[Items]] = {}
        # A node has one run at a time: what arrives meanwhile, or from outside an open loop, comes after it.
        self._held_back: dict[str, list[Flow]] = {}
        self._next_run_index: dict[str, int] = {}
        self._settled: set[str] = set()
        self._opened = 0

    # --- what happened ---------------------------------------------------------------------------------------------

    def trigger(self, node_id: str, items: Items) -> None:
        """Start at `node_id` with the items of the execution."""
        self._make_ready(node_id, [Flow((node_id, -1), "", "main", items)])

    def completed(
        self, key: RunKey, outputs: Mapping[str, Items], *, keep_open: bool = False
    ) -> list[tuple[Edge, Items]]:
        """Take the end of a node run. Reiterations the edges over which items left, with the items."""
        node_id = key[0]
        self._active.discard(key)
        if keep_open:
            self._opened += 1
            self._gathering[node_id] = _Gathering(self._opened)
        else:
            self._iterations.pop(node_id, None)
        flows = []
        for edge in self._graph.edges_from(node_id):
            items = outputs.get(edge.source_output)
            if items:
                flows.append((edge, items))
                self._send(edge.target, Flow(key, edge.source_output, edge.target_input, items))
        if not keep_open:
            for flow in self._held_back.pop(node_id, []):
                self._send(node_id, flow)
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
        alive = {node_id for node_id, _ in self._active} | {run.node_id for run in self._ready} | set(self._gathering)
        reachable = set(alive)
        for node_id in alive:
            reachable |= self._graph.behind([node_id])
        skipped = [
            node_id
            for node_id in self._graph.nodes
            if node_id not in reachable and node_id not in self._next_run_index and node_id not in self._settled
        ]
        self._settled.update(skipped)
        return skipped

    @property
    def ended(self) -> bool:
        """Return whether nothing is active, ready or gathering."""
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

        A flow is open if no node run's inputs name it. Items enter at the trigger and, in a rerun with edited
        input, at the nodes of `replaced`, which take these in instead of what was kept for them; where none of the
        node runs has begun with them, one does now. Reiterations the node runs that had begun and not ended: they are
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
            flows = [
                Flow(
                    (ref["node"], ref["run_index"]),
                    ref["output"],
                    name,
                    outputs[ref["node"], ref["run_index"]][ref["output"]],
                )
                for name, refs in run.inputs.items()
                for ref in refs
            ] or ([Flow((node_id, -1), "", "main", entries[node_id])] if node_id in entries else [])
            ready = Ready(node_id, run_index, flows, [])
            iterations = self._iterations.setdefault(node_id, [])
            iterations.append(ready.inputs.get("main", []))
            ready.iterations = list(iterations)
            if run.outputs is None:
                self._active.add(run.key)
                begun.append(ready)
            elif run.keep_open:
                self._opened += 1
                self._gathering[node_id] = _Gathering(self._opened)
            else:
                self._iterations.pop(node_id, None)
                self._gathering.pop(node_id, None)
        for ready in begun:
            self._gathering.pop(ready.node_id, None)
        for run in runs:
            if run.outputs is None:
                continue
            for edge in self._graph.edges_from(run.key[0]):
                items = run.outputs.get(edge.source_output)
                is_open = (edge.target, edge.target_input, *run.key, edge.source_output) not in taken
                if items and is_open and edge.target not in self._settled and not self._is_replaced(edge, replaced):
                    self._send(edge.target, Flow(run.key, edge.source_output, edge.target_input, items))
        entered = {run.key[0] for run in runs if not run.inputs}
        for node_id, items in entries.items():
            if node_id not in entered and node_id not in self._settled:
                self.trigger(node_id, items)
        return begun

    # --- inside ----------------------------------------------------------------------------------------------------

    def _is_replaced(self, edge: Edge, replaced: Mapping[str, Items]) -> bool:
        """Return whether other items stand in for those of the edge: all but what comes back to the node on a cycle."""
        return edge.target in replaced and edge.source not in self._graph.behind([edge.target])

    def _send(self, node_id: str, flow: Flow) -> None:
        if self._is_join(node_id):
            if node_id not in self._gathering:
                self._opened += 1
                self._gathering[node_id] = _Gathering(self._opened)
            self._gathering[node_id].flows.append(flow)
        elif node_id in self._gathering and flow.source[0] in self._graph.behind([node_id]):
            self._gathering[node_id].flows.append(flow)
        elif node_id in self._gathering or self._is_busy(node_id):
            self._held_back.setdefault(node_id, []).append(flow)
        else:
            self._make_ready(node_id, [flow])

    def _is_busy(self, node_id: str) -> bool:
        return any(node_id == n for n, _ in self._active) or any(node_id == run.node_id for run in self._ready)

    def _make_ready(self, node_id: str, flows: list[Flow]) -> None:
        run_index = self._next_run_index.get(node_id, 0)
        self._next_run_index[node_id] = run_index + 1
        ready = Ready(node_id, run_index, flows, [])
        iterations = self._iterations.setdefault(node_id, [])
        iterations.append(ready.inputs.get("main", []))
        ready.iterations = list(iterations)
        self._ready.append(ready)

    def _fire_gatherings(self) -> None:
        """Make ready every join and open loop that nothing active can reach any more.

        Those that only block each other stand in a cycle: the one that opened last lies innermost and goes first.
        """
        if not self._gathering:
            return
        active = {node_id for node_id, _ in self._active} | {run.node_id for run in self._ready}
        blocked = {node_id for node_id in self._gathering if self._can_receive(node_id, active)}
        while True:
            further = {n for n in self._gathering if n not in blocked and self._can_receive(n, blocked - {n})}
            if not further:
                break
            blocked |= further
        free = [node_id for node_id in self._gathering if node_id not in blocked]
        if not free:
            return
        firing = [n for n in free if not self._can_receive(n, set(free) - {n})]
        if not firing:
            firing = [max(free, key=lambda n: self._gathering[n].opened)]
        for node_id in firing:
            self._make_ready(node_id, self._gathering.pop(node_id).flows)

    def _can_receive(self, node_id: str, alive: set[str]) -> bool:
        """Return whether something alive can still send to an input of `node_id` that the node is waiting for."""
        received = {d.input for d in self._gathering[node_id].flows} if self._is_join(node_id) else set()
        wanted = {edge.source for edge in self._graph.edges_into(node_id) if edge.target_input not in received}
        return any(source == n or source in self._graph.behind([n]) for n in alive for source in wanted)
