"""Which node runs are ready to start. Pure: it sees a graph and the ends of node runs, no database and no clock.

Items flow from an output of a node run to an input of a node. They make an ordinary node ready at once; joins and open
loops collect them first (`gathering`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from executions.domain.ancestry import Ancestry
from executions.domain.graph import Edge, Graph
from executions.domain.items import Items
from executions.domain.lineage import Lineage
from executions.engine.flow import Flow, Ready, RestoredRun, RunKey
from executions.engine.gathering import Gatherings


class Planner:
    """Plans the node runs of one execution."""

    def __init__(self, graph: Graph, is_join: Callable[[str], bool]) -> None:
        self._graph = graph
        self._is_join = is_join
        self._gatherings = Gatherings(graph)
        self.ancestry = Ancestry()
        """Where the items of every node run are from."""
        self._ready: list[Ready] = []
        self._active: set[RunKey] = set()
        self._busy: Counter[str] = Counter()
        """Runs of each node that are ready or active."""
        self._iterations: dict[str, list[Items]] = {}
        self._held_back: dict[str, list[Flow]] = {}
        """Flows for a later run: a node has one run at a time, and an open loop takes nothing from outside."""
        self._next_run_index: dict[str, int] = {}
        self._skipped: set[str] = set()

    @property
    def steps(self) -> int:
        """Return how many edges were looked at to decide which nodes fire: the cost, as tests count it."""
        return self._gatherings.steps

    # --- input -----------------------------------------------------------------------------------------------------

    def trigger(self, node_id: str, items: Items) -> None:
        """Start at `node_id` with the items of the execution."""
        self._make_ready(node_id, [Flow((node_id, -1), "", "main", items)])

    def completed(
        self, key: RunKey, outputs: Mapping[str, Items], *, keep_open: bool = False, lineage: Lineage | None = None
    ) -> list[tuple[Edge, Items]]:
        """Record the end of a node run. Returns the edges along which items flow, with the items."""
        node_id = key[0]
        self.ancestry.ended(key, lineage, keep_open=keep_open)
        was_active = key in self._active
        self._active.discard(key)
        self._busy[node_id] -= was_active
        if keep_open:
            self._gatherings.open(node_id)
        else:
            self._iterations.pop(node_id, None)
        flows = []
        for edge in self._graph.edges_from(node_id):
            items = outputs.get(edge.source_output)
            if items:
                flows.append((edge, items))
                self._send(edge.target, Flow(key, edge.source_output, edge.target_input, items))
        if not keep_open:
            for flow in self._held_back.pop(node_id, ()):
                self._send(node_id, flow)
        if was_active:  # last: what it sent is live by now, so no node appears unreachable in between
            self._gatherings.run_removed(node_id)
        return flows

    # --- output ----------------------------------------------------------------------------------------------------

    def take_ready(self) -> list[Ready]:
        """Return the node runs that can start now; each is active until `completed` is called for it."""
        for node_id in self._gatherings.firing():
            # The run is added before the gathering is removed: the node stays live.
            self._make_ready(node_id, self._gatherings.by_node[node_id].flows)
            self._gatherings.close(node_id)
        ready, self._ready = self._ready, []
        for run in ready:
            self._active.add((run.node_id, run.run_index))
        return ready

    def take_skipped(self) -> list[str]:
        """Return the nodes, each once, that have not run and can no longer be reached."""
        skipped = [
            node_id
            for node_id in self._gatherings.take_unreachable()
            if node_id not in self._next_run_index and node_id not in self._skipped
        ]
        if not skipped:
            return skipped
        # In the order of the graph. Few nodes are sorted instead of looking through all.
        skipped.sort(key=self._graph.places.__getitem__)
        self._skipped.update(skipped)
        return skipped

    @property
    def ended(self) -> bool:
        """Return whether nothing is active, ready or gathering."""
        return not (self._active or self._ready or self._gatherings.by_node)

    # --- recovery --------------------------------------------------------------------------------------------------

    def restore(
        self,
        runs: Iterable[RestoredRun],
        trigger: tuple[str, Items],
        skipped: Iterable[str],
        replaced: Mapping[str, Items] | None = None,
    ) -> list[Ready]:
        """Rebuild the state from the node runs of an execution, in the order in which they were recorded.

        A flow is still open if no node run's inputs refer to it. Items enter at the trigger. In a rerun with edited
        input they also enter at the nodes of `replaced`, instead of the stored items; where no node run has started
        with them, one becomes ready. Returns the node runs that had started and not ended: they are active again, and
        the caller starts them or waits for them.
        """
        runs, replaced = list(runs), replaced or {}
        entries = {trigger[0]: trigger[1], **replaced}
        self._skipped.update(skipped)
        begun = self._restore_runs(runs, entries)
        for ready in begun:
            self._gatherings.close(ready.node_id)
        self._restore_flows(runs, replaced)
        entered = {run.key[0] for run in runs if not run.inputs}
        for node_id, items in entries.items():
            if node_id not in entered and node_id not in self._skipped:
                self.trigger(node_id, items)
        return begun

    def _restore_runs(self, runs: Sequence[RestoredRun], entries: Mapping[str, Items]) -> list[Ready]:
        """Rebuild run indexes, iterations and open loops. Returns the runs that have not ended."""
        outputs = {run.key: run.outputs for run in runs if run.outputs is not None}
        begun: list[Ready] = []
        for run in runs:
            node_id, run_index = run.key
            self._next_run_index[node_id] = max(self._next_run_index.get(node_id, 0), run_index + 1)
            ready = self._add_iteration(node_id, run_index, _stored_flows(run, outputs, entries))
            if run.outputs is not None:
                self.ancestry.ended(run.key, run.lineage, keep_open=run.keep_open)
            if run.outputs is None:
                self._active.add(run.key)
                self._busy[node_id] += 1
                self._gatherings.run_added(node_id)
                begun.append(ready)
            elif run.keep_open:
                self._gatherings.open(node_id)
            else:
                self._iterations.pop(node_id, None)
                self._gatherings.close(node_id)
        return begun

    def _restore_flows(self, runs: Sequence[RestoredRun], replaced: Mapping[str, Items]) -> None:
        """Send the outputs of ended runs again that no run has received."""
        received = {
            (run.key[0], name, ref["node"], ref["run_index"], ref["output"])
            for run in runs
            for name, refs in run.inputs.items()
            for ref in refs
        }
        for run in runs:
            if run.outputs is None:
                continue
            for edge in self._graph.edges_from(run.key[0]):
                items = run.outputs.get(edge.source_output)
                is_open = (edge.target, edge.target_input, *run.key, edge.source_output) not in received
                if items and is_open and edge.target not in self._skipped and not self._is_replaced(edge, replaced):
                    self._send(edge.target, Flow(run.key, edge.source_output, edge.target_input, items))

    def _is_replaced(self, edge: Edge, replaced: Mapping[str, Items]) -> bool:
        """Return whether edited input replaces the items of the edge: all but those that return on a cycle."""
        return edge.target in replaced and not self._graph.leads_back(edge)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _send(self, node_id: str, flow: Flow) -> None:
        gatherings = self._gatherings
        if self._is_join(node_id):
            gatherings.receive(node_id, flow)
        elif node_id in gatherings.by_node and gatherings.is_returning(node_id, flow):
            gatherings.by_node[node_id].flows.append(flow)
        elif node_id in gatherings.by_node or self._busy[node_id]:
            self._held_back.setdefault(node_id, []).append(flow)
        else:
            self._make_ready(node_id, [flow])

    def _make_ready(self, node_id: str, flows: list[Flow]) -> None:
        run_index = self._next_run_index.get(node_id, 0)
        self._next_run_index[node_id] = run_index + 1
        self._ready.append(self._add_iteration(node_id, run_index, flows))
        self._busy[node_id] += 1
        self._gatherings.run_added(node_id)

    def _add_iteration(self, node_id: str, run_index: int, flows: list[Flow]) -> Ready:
        ready = Ready(node_id, run_index, flows, [])
        iterations = self._iterations.setdefault(node_id, [])
        iterations.append(ready.inputs.get("main", []))
        ready.iterations = list(iterations)
        self.ancestry.began((node_id, run_index), ready.sources)
        return ready


def _stored_flows(
    run: RestoredRun, outputs: Mapping[RunKey, Mapping[str, Items]], entries: Mapping[str, Items]
) -> list[Flow]:
    """Return the flows that the run took in: from the outputs of other runs, or from where items enter."""
    node_id = run.key[0]
    flows = [
        Flow(
            (ref["node"], ref["run_index"]),
            ref["output"],
            name,
            outputs[ref["node"], ref["run_index"]][ref["output"]],
        )
        for name, refs in run.inputs.items()
        for ref in refs
    ]
    if not flows and node_id in entries:
        flows = [Flow((node_id, -1), "", "main", entries[node_id])]
    return flows
