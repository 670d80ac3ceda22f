"""The graph of a workflow version: parsing, validation, reachability. Pure: no Django, no database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from executions.domain.components import Components
from workflow_platform.core.backoff import exponential, shortened
from workflow_platform.core.validation import field_errors

OnError = Literal["stop", "continue", "route"]
ERROR_OUTPUT = "error"
NAMES_LISTED = 20
"""How many outputs or inputs a problem lists: there may be thousands of both."""
M = TypeVar("M", bound=BaseModel)


LONGEST_RETRY_AFTER_MS = 3_600_000
"""What another side may ask for (Retry-After) and be granted."""


class Retry(BaseModel):
    """How often a failed node run is tried again, after what delay, and after which errors."""

    model_config = ConfigDict(extra="forbid")

    attempts: int = Field(1, ge=1, le=100)
    delay_ms: float = Field(1000, ge=0, le=3_600_000)
    backoff: float = Field(2, ge=1, le=10)
    max_delay_ms: float = Field(300_000, ge=0, le=86_400_000)
    jitter: bool = True
    on: Literal["retryable", "all"] = "retryable"

    def delay_before(self, attempt: int, chance: float, retry_after: float | None = None) -> float:
        """Return the milliseconds before `attempt` (2 is the first to be tried again).

        Exponential with full jitter on its upper half: `chance` in [0, 1) chooses between a half and the whole.
        `retry_after`, in seconds, is what the other side asks for at least.
        """
        delay = exponential(attempt - 1, self.delay_ms, self.max_delay_ms, self.backoff)
        if self.jitter:
            delay = shortened(delay, chance=chance)
        if retry_after is not None:
            delay = max(delay, min(retry_after * 1000, LONGEST_RETRY_AFTER_MS))
        return round(delay, 3)


class NodeCache(BaseModel):
    """How long a node's result serves the same node with the same parameters and input, in seconds."""

    model_config = ConfigDict(extra="forbid")

    ttl: float | None = Field(None, gt=0, le=30 * 86_400)


class Node(BaseModel):
    """A vertex, as the workflow JSON has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=100)
    name: str = Field("", max_length=200)
    type: str = Field(min_length=1, max_length=60)
    parameters: dict[str, Any] = {}
    position: tuple[float, float] | None = None
    disabled: bool = False
    retry: Retry = Retry()
    timeout: float | None = Field(None, gt=0, le=86_400)
    on_error: OnError = "stop"
    cache: NodeCache | None = None
    credentials: str | None = None

    @property
    def label(self) -> str:
        """Return the name that people see."""
        return self.name or self.id


class Edge(BaseModel):
    """A connection from an output of the source to an input of the target."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    target: str
    source_output: str = "main"
    target_input: str = "main"


@dataclass(frozen=True, slots=True)
class GraphProblem:
    """What is wrong, and where: a node's id or an edge's index, and the field."""

    node: str | None
    edge: int | None
    field: str
    code: str
    message: str

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as the API shows it."""
        return asdict(self)


class InvalidGraph(Exception):
    """The graph cannot be run as it is."""

    def __init__(self, problems: list[GraphProblem]) -> None:
        super().__init__("; ".join(f"{p.node or p.edge or 'graph'}: {p.message}" for p in problems[:5]))
        self.problems = problems


@dataclass
class Graph:
    """Nodes and edges with the questions that the engine asks of them."""

    nodes: dict[str, Node]
    edges: tuple[Edge, ...]
    _from: dict[str, list[Edge]] = field(init=False)
    _into: dict[str, list[Edge]] = field(init=False)

    def __post_init__(self) -> None:
        self._from = {node_id: [] for node_id in self.nodes}
        self._into = {node_id: [] for node_id in self.nodes}
        for edge in self.edges:
            if edge.source in self.nodes and edge.target in self.nodes:
                self._from[edge.source].append(edge)
                self._into[edge.target].append(edge)

    @classmethod
    def parse(cls, nodes: object, edges: object, max_nodes: int = 1000, max_edges: int | None = None) -> Graph:
        """Read the workflow JSON; without `max_edges` four edges for each node are allowed. Raises InvalidGraph with
        everything that has the wrong shape."""
        if not isinstance(nodes, list) or not nodes:
            raise InvalidGraph(
                [GraphProblem(None, None, "nodes", "required", "A list of at least one node is needed.")]
            )
        if not isinstance(edges, list):
            raise InvalidGraph([GraphProblem(None, None, "edges", "type", "A list of edges is needed.")])
        most_edges = 4 * max_nodes if max_edges is None else max_edges
        too_many = [
            GraphProblem(None, None, field, "too_many", f"{len(found)} {field}; at most {most} are allowed.")
            for field, found, most in (("nodes", nodes, max_nodes), ("edges", edges, most_edges))
            if len(found) > most
        ]
        if too_many:
            raise InvalidGraph(too_many)
        problems: list[GraphProblem] = []
        parsed: dict[str, Node] = {}
        for index, raw in enumerate(nodes):
            node = _read(Node, raw, problems, node=_name(raw, index))
            if node is not None and node.id in parsed:
                problems.append(GraphProblem(node.id, None, "id", "duplicate", f"Two nodes have the id {node.id!r}."))
            elif node is not None:
                parsed[node.id] = node
        read = [_read(Edge, raw, problems, edge=index) for index, raw in enumerate(edges)]
        if problems:
            raise InvalidGraph(problems)
        return cls(parsed, tuple(edge for edge in read if edge is not None))

    def edges_from(self, node_id: str) -> list[Edge]:
        """Return the edges that leave a node."""
        return self._from[node_id]

    def edges_into(self, node_id: str) -> list[Edge]:
        """Return the edges that enter a node."""
        return self._into[node_id]

    def reachable_from(self, node_id: str) -> frozenset[str]:
        """Return the nodes that lie behind a node; the node itself only if it stands on a cycle."""
        return self.behind([node_id])

    def behind(self, node_ids: Iterable[str]) -> frozenset[str]:
        """Return the nodes that lie behind any of these, found in one search."""
        return _found(node_ids, lambda node_id: (edge.target for edge in self._from[node_id]))

    def before(self, node_ids: Iterable[str]) -> frozenset[str]:
        """Return the nodes that lead to any of these, found in one search."""
        return _found(node_ids, lambda node_id: (edge.source for edge in self._into[node_id]))

    @cached_property
    def places(self) -> dict[str, int]:
        """Return where each node stands among the nodes."""
        return {node_id: place for place, node_id in enumerate(self.nodes)}

    @cached_property
    def components(self) -> Components:
        """Return the cycles of the graph, and what leads from one to the next."""
        return Components({node_id: [edge.target for edge in edges] for node_id, edges in self._from.items()})

    def leads_back(self, edge: Edge) -> bool:
        """Tell whether the edge is part of a cycle: its source lies behind its target."""
        return self.components.of[edge.source] == self.components.of[edge.target]


def _found(starts: Iterable[str], next_to: Callable[[str], Iterable[str]]) -> frozenset[str]:
    found: set[str] = set()
    stack = list(starts)
    while stack:
        for node_id in next_to(stack.pop()):
            if node_id not in found:
                found.add(node_id)
                stack.append(node_id)
    return frozenset(found)


def _name(raw: object, index: int) -> str:
    named = raw.get("id") if isinstance(raw, dict) else None
    return named if isinstance(named, str) else f"#{index}"


def _read(
    model: type[M],
    raw: object,
    problems: list[GraphProblem],
    node: str | None = None,
    edge: int | None = None,
) -> M | None:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems += pydantic_problems(error, node, edge)
        return None


def pydantic_problems(
    error: ValidationError, node: str | None, edge: int | None, prefix: str = ""
) -> list[GraphProblem]:
    """Return one problem for each field that pydantic refused, named like `parameters.cases[0].name`."""
    errors = field_errors(error, *([prefix] if prefix else []))
    return [GraphProblem(node, edge, each.path, each.code, each.message) for each in errors]


class NodeTypeLike(Protocol):
    """What validation needs to know of a node type."""

    trigger: bool
    cacheable: bool

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]: ...

    def output_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...]: ...

    def input_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...] | None: ...


def validate(
    graph: Graph, node_types: Mapping[str, Any], check_syntax: Callable[[str], str | None]
) -> list[GraphProblem]:
    """Return everything that would keep the graph from running: types, parameters, expressions, edges, reach."""
    problems: list[GraphProblem] = []
    for node in graph.nodes.values():
        node_type: NodeTypeLike | None = node_types.get(node.type)
        if node_type is None:
            problems.append(GraphProblem(node.id, None, "type", "unknown", f"There is no node type {node.type!r}."))
            continue
        for path, code, message in node_type.check_parameters(node.parameters):
            problems.append(GraphProblem(node.id, None, path, code, message))
        if node.cache is not None and (node_type.trigger or not node_type.cacheable):
            why = f"The result of a node of the type {node.type!r} cannot be served from the cache."
            problems.append(GraphProblem(node.id, None, "cache", "not_cacheable", why))
        for path, text in strings_in(node.parameters, "parameters"):
            if (said := check_syntax(text)) is not None:
                problems.append(GraphProblem(node.id, None, path, "expression", said))
    problems += _edge_problems(graph, node_types)
    return [*problems, *_reach_problems(graph, node_types)]


def _edge_problems(graph: Graph, node_types: Mapping[str, Any]) -> Iterable[GraphProblem]:
    outputs: dict[str, tuple[str, ...] | None] = {}
    inputs: dict[str, tuple[str, ...] | None] = {}
    for index, edge in enumerate(graph.edges):
        for end, node_id in (("source", edge.source), ("target", edge.target)):
            if node_id not in graph.nodes:
                yield GraphProblem(None, index, end, "dangling", f"The edge's {end} {node_id!r} is not a node.")
        if edge.source not in graph.nodes or edge.target not in graph.nodes:
            continue
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        if source.id not in outputs:  # once for each node: a node may have very many of both
            outputs[source.id] = _output_names(source, node_types)
        if target.id not in inputs:
            known = node_types.get(target.type)
            inputs[target.id] = None if known is None else known.input_names(target.parameters)
        if (names := outputs[source.id]) is not None and edge.source_output not in names:
            said = f"{source.label!r} has no output {edge.source_output!r}; it has {_listed(names)}."
            yield GraphProblem(source.id, index, "source_output", "unknown", said)
        if (names := inputs[target.id]) is not None and edge.target_input not in names:
            said = f"{target.label!r} has no input {edge.target_input!r}; it has {_listed(names)}."
            yield GraphProblem(target.id, index, "target_input", "unknown", said)


def _output_names(node: Node, node_types: Mapping[str, Any]) -> tuple[str, ...] | None:
    node_type: NodeTypeLike | None = node_types.get(node.type)
    if node_type is None:
        return None
    return node_type.output_names(node.parameters) + ((ERROR_OUTPUT,) if node.on_error == "route" else ())


def _listed(names: tuple[str, ...]) -> str:
    further = f" and {len(names) - NAMES_LISTED} more" if len(names) > NAMES_LISTED else ""
    return (", ".join(names[:NAMES_LISTED]) or "none") + further


def _reach_problems(graph: Graph, node_types: Mapping[str, Any]) -> Iterable[GraphProblem]:
    triggers = [n.id for n in graph.nodes.values() if (t := node_types.get(n.type)) is not None and t.trigger]
    if not triggers:
        yield GraphProblem(None, None, "nodes", "no_trigger", "A workflow needs a trigger node to start at.")
        return
    reached = graph.behind(triggers).union(triggers)
    for node in graph.nodes.values():
        if node.id not in reached:
            yield GraphProblem(node.id, None, "edges", "unreachable", "No trigger leads to this node.")


def strings_in(value: Any, path: str) -> Iterable[tuple[str, str]]:
    """Yield every string that holds an expression, with its path."""
    if isinstance(value, str):
        if re.search(r"\{\{", value):
            yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings_in(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from strings_in(inner, f"{path}[{index}]")
