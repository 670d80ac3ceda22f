"""The graph of a workflow version: parsing, validation, reachability. Pure: no Django, no database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from executions.domain.components import Components
from executions.domain.node_references import named_in_code, named_in_template, unknown_node
from workflow_platform.core.backoff import exponential, shortened
from workflow_platform.core.validation import field_errors

OnError = Literal["stop", "continue", "route"]
ERROR_OUTPUT = "error"
NAMES_LISTED = 20
"""How many outputs or inputs a problem lists; a node may have thousands."""
MOST_SCANNED = 1_000_000
"""How many characters of a workflow's JavaScript are searched for the names of nodes, to bound the time of a save."""
M = TypeVar("M", bound=BaseModel)


MAX_RETRY_AFTER_MS = 3_600_000
"""The longest Retry-After of a called system that is honoured."""


class Retry(BaseModel):
    """The retry policy of a node: number of attempts, delay, and which errors are retried."""

    model_config = ConfigDict(extra="forbid")

    attempts: int = Field(1, ge=1, le=100)
    delay_ms: float = Field(1000, ge=0, le=3_600_000)
    backoff: float = Field(2, ge=1, le=10)
    max_delay_ms: float = Field(300_000, ge=0, le=86_400_000)
    jitter: bool = True
    on: Literal["retryable", "all"] = "retryable"

    def follows(self, attempt: int, *, retryable: bool) -> bool:
        """Return whether another attempt follows a failed one."""
        return (retryable or self.on == "all") and attempt < self.attempts

    def delay_before(self, attempt: int, chance: float, retry_after: float | None = None) -> float:
        """Return the milliseconds before `attempt` (2 is the first retry).

        Exponential, with jitter on the upper half: `chance` in [0, 1) chooses between half and the full delay.
        `retry_after`, in seconds, is the minimum that the called system asks for.
        """
        delay = exponential(attempt - 1, self.delay_ms, self.max_delay_ms, self.backoff)
        if self.jitter:
            delay = shortened(delay, chance=chance)
        if retry_after is not None:
            delay = max(delay, min(retry_after * 1000, MAX_RETRY_AFTER_MS))
        return round(delay, 3)


class NodeCache(BaseModel):
    """How long a node's result is reused for the same parameters and input, in seconds."""

    model_config = ConfigDict(extra="forbid")

    ttl: float | None = Field(None, gt=0, le=30 * 86_400)


class Node(BaseModel):
    """A node of the workflow JSON."""

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
        """Return the display name."""
        return self.name or self.id


class Edge(BaseModel):
    """A connection from an output of the source to an input of the target."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    target: str
    source_output: str = "main"
    target_input: str = "main"


_DOTS = frozenset({".", ".."})
"""Ids that no URL can have as a part."""


@dataclass(frozen=True, slots=True)
class GraphProblem:
    """A problem of a graph and its location: a node's id or an edge's index, and the field."""

    node: str | None
    edge: int | None
    field: str
    code: str
    message: str

    @property
    def place(self) -> str:
        """Return the location in words, with the field if the message does not tell which one is meant."""
        place = self.node or ("graph" if self.edge is None else f"edge {self.edge}")
        return f"{place}, {self.field}" if self.code in {"missing", "extra_forbidden"} else place

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as the API shows it."""
        return asdict(self)


class InvalidGraph(Exception):
    """The graph has problems and cannot run."""

    def __init__(self, problems: list[GraphProblem]) -> None:
        super().__init__("; ".join(f"{p.place}: {p.message}" for p in problems[:5]))
        self.problems = problems


@dataclass
class Graph:
    """The nodes and edges of a workflow version, with the queries that the engine needs."""

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
        """Parse the workflow JSON. `max_edges` defaults to four edges per node. Raises InvalidGraph with all
        problems of shape."""
        if not isinstance(nodes, list) or not nodes:
            raise InvalidGraph(
                [GraphProblem(None, None, "nodes", "required", "`nodes` must be a list with at least one node.")]
            )
        if not isinstance(edges, list):
            raise InvalidGraph([GraphProblem(None, None, "edges", "type", "`edges` must be a list.")])
        most_edges = 4 * max_nodes if max_edges is None else max_edges
        too_many = [
            GraphProblem(
                None, None, field, "too_many", f"The workflow has {len(entries)} {field}; the limit is {limit}."
            )
            for field, entries, limit in (("nodes", nodes, max_nodes), ("edges", edges, most_edges))
            if len(entries) > limit
        ]
        if too_many:
            raise InvalidGraph(too_many)
        problems: list[GraphProblem] = []
        parsed: dict[str, Node] = {}
        for index, raw in enumerate(nodes):
            node = _parse(Node, raw, problems, node=_id_or_index(raw, index))
            if node is not None and node.id in parsed:
                problems.append(GraphProblem(node.id, None, "id", "duplicate", f"Two nodes have the id {node.id!r}."))
            elif node is not None:
                parsed[node.id] = node
        parsed_edges = [_parse(Edge, raw, problems, edge=index) for index, raw in enumerate(edges)]
        if problems:
            raise InvalidGraph(problems)
        return cls(parsed, tuple(edge for edge in parsed_edges if edge is not None))

    def edges_from(self, node_id: str) -> list[Edge]:
        """Return the edges that leave a node."""
        return self._from[node_id]

    def edges_into(self, node_id: str) -> list[Edge]:
        """Return the edges that enter a node."""
        return self._into[node_id]

    def behind(self, node_ids: Iterable[str]) -> frozenset[str]:
        """Return the nodes downstream of any of these, in one search; one of these only if it is on a cycle."""
        return _search(node_ids, lambda node_id: (edge.target for edge in self._from[node_id]))

    def before(self, node_ids: Iterable[str]) -> frozenset[str]:
        """Return the nodes upstream of any of these, in one search."""
        return _search(node_ids, lambda node_id: (edge.source for edge in self._into[node_id]))

    @cached_property
    def places(self) -> dict[str, int]:
        """Return the index of each node."""
        return {node_id: place for place, node_id in enumerate(self.nodes)}

    @cached_property
    def names(self) -> frozenset[str]:
        """Return the ids and names of all nodes."""
        return frozenset(self.nodes).union(node.label for node in self.nodes.values())

    @cached_property
    def components(self) -> Components:
        """Return the strongly connected components of the graph."""
        return Components({node_id: [edge.target for edge in edges] for node_id, edges in self._from.items()})

    def leads_back(self, edge: Edge) -> bool:
        """Return whether the edge is part of a cycle: its source is downstream of its target."""
        return self.components.of[edge.source] == self.components.of[edge.target]


def _search(starts: Iterable[str], next_to: Callable[[str], Iterable[str]]) -> frozenset[str]:
    reached: set[str] = set()
    stack = list(starts)
    while stack:
        for node_id in next_to(stack.pop()):
            if node_id not in reached:
                reached.add(node_id)
                stack.append(node_id)
    return frozenset(reached)


def _id_or_index(raw: object, index: int) -> str:
    node_id = raw.get("id") if isinstance(raw, dict) else None
    return node_id if isinstance(node_id, str) else f"#{index}"


def _parse(
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
    """The interface of a node type that validation uses."""

    trigger: bool
    cacheable: bool

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]: ...

    def output_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...]: ...

    def input_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...] | None: ...


def validate(
    graph: Graph, node_types: Mapping[str, Any], check_syntax: Callable[[str], str | None]
) -> list[GraphProblem]:
    """Return all problems of the graph: types, parameters, expressions, edges, reachability."""
    problems: list[GraphProblem] = []
    for node in graph.nodes.values():
        if node.id in _DOTS:
            message = f"The id {node.id!r} has a meaning of its own in URLs. Choose another."
            problems.append(GraphProblem(node.id, None, "id", "invalid", message))
        node_type: NodeTypeLike | None = node_types.get(node.type)
        if node_type is None:
            problems.append(GraphProblem(node.id, None, "type", "unknown", f"There is no node type {node.type!r}."))
            continue
        for path, code, message in node_type.check_parameters(node.parameters):
            problems.append(GraphProblem(node.id, None, path, code, message))
        if node.on_error == "route" and ERROR_OUTPUT in node_type.output_names(node.parameters):
            message = f"The output {ERROR_OUTPUT!r} receives the failed items (on_error: route). Rename the other one."
            problems.append(GraphProblem(node.id, None, "on_error", "duplicate", message))
        if node.cache is not None and (node_type.trigger or not node_type.cacheable):
            message = f"Nodes of the type {node.type!r} cannot use the result cache. Remove `cache`."
            problems.append(GraphProblem(node.id, None, "cache", "not_cacheable", message))
        for path, text in strings_in(node.parameters, "parameters"):
            if (problem := check_syntax(text)) is not None:
                problems.append(GraphProblem(node.id, None, path, "expression", problem))
    problems += [*_reference_problems(graph), *_edge_problems(graph, node_types)]
    return [*problems, *_reach_problems(graph, node_types)]


def _reference_problems(graph: Graph) -> Iterable[GraphProblem]:
    """Yield a problem for each node that an expression or code names, as in `$("X")`, and that does not exist."""
    room = MOST_SCANNED
    for node in graph.nodes.values():
        named_in: Callable[[str], list[str]] = named_in_template
        texts = list(strings_in(node.parameters, "parameters"))
        if node.type == "code" and isinstance(code := node.parameters.get("code"), str):
            texts, named_in = [("parameters.code", code)], named_in_code
        for path, text in texts:
            room -= len(text)
            for name in dict.fromkeys(named_in(text) if room >= 0 else []):
                if (problem := unknown_node(name, graph.names)) is not None:
                    yield GraphProblem(node.id, None, path, "unknown_node", problem)


def _edge_problems(graph: Graph, node_types: Mapping[str, Any]) -> Iterable[GraphProblem]:
    outputs: dict[str, tuple[str, ...] | None] = {}
    inputs: dict[str, tuple[str, ...] | None] = {}
    for index, edge in enumerate(graph.edges):
        for end, node_id in (("source", edge.source), ("target", edge.target)):
            if node_id not in graph.nodes:
                yield GraphProblem(
                    None, index, end, "dangling", f"The edge's {end} {node_id!r} is not a node of the workflow."
                )
        if edge.source not in graph.nodes or edge.target not in graph.nodes:
            continue
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        if source.id not in outputs:  # once per node, which may have many of both
            outputs[source.id] = _output_names(source, node_types)
        if target.id not in inputs:
            known = node_types.get(target.type)
            inputs[target.id] = None if known is None else known.input_names(target.parameters)
        if (names := outputs[source.id]) is not None and edge.source_output not in names:
            message = f"{source.label!r} has no output {edge.source_output!r}; it has {_listed(names)}."
            yield GraphProblem(source.id, index, "source_output", "unknown", message)
        if (names := inputs[target.id]) is not None and edge.target_input not in names:
            message = f"{target.label!r} has no input {edge.target_input!r}; it has {_listed(names)}."
            yield GraphProblem(target.id, index, "target_input", "unknown", message)


def _output_names(node: Node, node_types: Mapping[str, Any]) -> tuple[str, ...] | None:
    node_type: NodeTypeLike | None = node_types.get(node.type)
    if node_type is None:
        return None
    return node_type.output_names(node.parameters) + ((ERROR_OUTPUT,) if node.on_error == "route" else ())


def _listed(names: tuple[str, ...]) -> str:
    suffix = f" and {len(names) - NAMES_LISTED} more" if len(names) > NAMES_LISTED else ""
    return (", ".join(names[:NAMES_LISTED]) or "none") + suffix


def _reach_problems(graph: Graph, node_types: Mapping[str, Any]) -> Iterable[GraphProblem]:
    triggers = [n.id for n in graph.nodes.values() if (t := node_types.get(n.type)) is not None and t.trigger]
    if not triggers:
        yield GraphProblem(None, None, "nodes", "no_trigger", "The workflow has no trigger. Add a trigger node.")
        return
    reached = graph.behind(triggers).union(triggers)
    for node in graph.nodes.values():
        if node.id not in reached:
            yield GraphProblem(
                node.id, None, "edges", "unreachable", "No trigger leads to this node. Connect or remove it."
            )


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
