"""The other nodes of an execution as the expressions of a node run see them: by name, latest output and origin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Generic, TypeVar

from executions.domain import pairing
from executions.domain.ancestry import RecordedRun, RunKey
from executions.domain.graph import Graph
from executions.domain.items import Item, Items
from executions.domain.pairing import Pairing, PairingData
from executions.domain.tracing import NOWHERE, Trace, Traces
from executions.models import NodeRun

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PastRuns:
    """What an attempt can know of the node runs before it."""

    traces: Traces
    rows: Mapping[RunKey, NodeRun]
    latest: Mapping[str, Items]
    """The items of the last run of each node that has run."""


class NodeNames:
    """The ids and names of the nodes that have run. Built on first use: most node runs use none."""

    def __init__(self, latest: Mapping[str, Items], graph: Graph) -> None:
        self._latest, self._graph = latest, graph

    @cached_property
    def ids(self) -> dict[str, str]:
        """Return the id by id and by name."""
        ids: dict[str, str] = {}
        for node_id in self._latest:
            ids[node_id] = ids[self._graph.nodes[node_id].label] = node_id
        return ids


class _ByName(Mapping[str, Callable[[], T]], ABC, Generic[T]):
    """Something of each node that has run, by the node's id and name."""

    def __init__(self, names: NodeNames) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Callable[[], T]:
        return partial(self._of, self._names.ids[name], name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.ids)

    def __len__(self) -> int:
        return len(self._names.ids)

    @abstractmethod
    def _of(self, node_id: str, name: str) -> T: ...


class LatestOutputs(_ByName[Items]):
    """The latest output of each node."""

    def __init__(self, names: NodeNames, latest: Mapping[str, Items]) -> None:
        super().__init__(names)
        self._latest = latest

    def _of(self, node_id: str, name: str) -> Items:
        return self._latest[node_id]


class PairedOutputs(_ByName[PairingData]):
    """For each node, its items that the input items of this node run came from."""

    def __init__(
        self, names: NodeNames, graph: Graph, past: PastRuns, inputs: Mapping[str, Items], run: RecordedRun
    ) -> None:
        super().__init__(names)
        self._graph, self._past, self._run = graph, past, run
        self._numbers = _numbers(inputs, run)
        self._made: dict[str, PairingData] = {}

    def _of(self, node_id: str, name: str) -> PairingData:
        if node_id not in self._made:
            self._made[node_id] = self._pairing(node_id).as_dict()
        return self._made[node_id]

    def _pairing(self, node_id: str) -> Pairing:
        trace = self._past.traces.to(node_id)
        codes = trace.origins(self._run, self._numbers)
        latest = self._past.latest[node_id]
        wanted = codes if isinstance(codes, range) else sorted({code for code in codes if code > NOWHERE})
        if wanted and (first := trace.item(wanted[0]))[0] == trace.item(wanted[-1])[0]:
            key, output, index = first
            if trace.item(wanted[-1])[1] == output and self._items(key, output) is latest:
                return self._of_latest(node_id, trace, codes, wanted[0] - index)
        places = {code: place for place, code in enumerate(wanted)}
        items = list[Item]()
        for code in wanted:  # in order, since large outputs are parsed in chunks
            key, output, index = trace.item(code)
            items.append(self._items(key, output)[index])
        errors = _Errors(self, node_id, trace)
        return Pairing([places[c] if c > NOWHERE else errors.of(c) for c in codes], items, errors.texts)

    def _of_latest(self, node_id: str, trace: Trace, codes: Sequence[int], begin: int) -> Pairing:
        if isinstance(codes, range):
            return Pairing(None if codes.start == begin else range(codes.start - begin, codes.stop - begin))
        errors = _Errors(self, node_id, trace)
        return Pairing([c - begin if c > NOWHERE else errors.of(c) for c in codes], None, errors.texts)

    def _items(self, key: RunKey, output: str) -> Items:
        outputs: Mapping[str, Items] = self._past.rows[key].output or {}
        return outputs.get(output, [])

    def explain(self, node_id: str, trace: Trace, code: int) -> str:
        """Return the error text of a code."""
        name, failure = self._graph.nodes[node_id].label, trace.failure(code)
        if failure is None:
            return pairing.no_ancestor(name)
        label = self._graph.nodes[failure.node].label
        return (pairing.not_told if failure.kind == "unknown" else pairing.several)(name, label)


class _Errors:
    """The error texts of one pairing, each once."""

    def __init__(self, outputs: PairedOutputs, node_id: str, trace: Trace) -> None:
        self._outputs, self._node_id, self._trace = outputs, node_id, trace
        self._numbers: dict[int, int] = {}
        self.texts: list[str] = []

    def of(self, code: int) -> int:
        """Return the index of a pairing that means this error."""
        if code not in self._numbers:
            self.texts.append(self._outputs.explain(self._node_id, self._trace, code))
            self._numbers[code] = -len(self.texts)
        return self._numbers[code]


def _numbers(inputs: Mapping[str, Items], run: RecordedRun) -> range:
    """Return the numbers of the items that expressions go through: those of `main`, else of the first input."""
    begin = run.first
    for name, items in inputs.items():
        if name == "main" or not inputs.get("main"):
            return range(begin, begin + len(items))
        begin += len(items)
    return range(begin, begin)
