"""What a node run is given: its context, with the scope of its expressions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from executions import credentials
from executions.domain.expressions import Budget, Evaluator, ExpressionScope, Resolver, TooMuchHere
from executions.domain.graph import Graph
from executions.domain.items import Items, is_small, main_of
from executions.engine import child_executions, elsewhere, node_deliveries
from executions.engine.attempt import Outcome, attempt
from executions.engine.cached import is_cached, run_through
from executions.engine.definition import Definition
from executions.engine.planner import Ready
from executions.models import Execution, NodeRun
from executions.nodes.base import NodeContext
from executions.waits import waits


@dataclass(slots=True, eq=False)
class Active:
    """A node run that has begun."""

    ready: Ready
    row: NodeRun
    started: float = field(default_factory=time.monotonic)
    cancelled: threading.Event = field(default_factory=threading.Event)
    again_at: float | None = None
    """When its next attempt begins, on the monotonic clock; until then it is not at work."""
    resumed: bool = False
    outcome: dict[str, Any] | None = None
    """What it waited for came to."""
    awaits: bool = False
    """It waits for something from outside."""


class Work:
    """One attempt of a node run."""

    def __init__(
        self,
        active: Active,
        definition: Definition,
        execution: Execution,
        latest: Mapping[str, Items],
        log: Callable[[str, str], None],
    ) -> None:
        self._active, self._execution, self._log = active, execution, log
        self._node = definition.graph.nodes[active.row.node_id]
        self._type = definition.types[self._node.id]
        self._inputs = active.ready.inputs
        self._scope = _scope(definition, execution, latest, self._inputs)
        self._computes = self._type.computes and not self._type.passes_on(self._node.parameters)
        self._cached = is_cached(self._node, self._type) and not active.resumed

    def here(self) -> Outcome | None:
        """Make the attempt in this thread if that takes next to no time; None: it is for `elsewhere`."""
        if not self._node.disabled:
            if self._type.blocking or self._cached:
                return None
            if self._computes and not is_small(self._inputs, self._type.inline_bytes):
                return None
        evaluator = Evaluator(self._scope, budget=Budget())
        try:
            return attempt(self._node, self._type, self._inputs, lambda: self._context(evaluator))
        except TooMuchHere:
            return None

    def elsewhere(self) -> Outcome:
        """Make the attempt in a thread that may wait: what computes is done in a sandbox process."""
        run = partial(elsewhere.run, self._type) if self._computes else self._type.perform
        if self._cached:
            run = partial(run_through, self._execution.workspace_id, self._type, run)
        evaluator = elsewhere.Fallback(self._scope, str(self._execution.workspace_id), self._active.cancelled)
        return attempt(self._node, self._type, self._inputs, lambda: self._context(evaluator), run)

    def _context(self, evaluator: Resolver) -> NodeContext[Any]:
        active, row, workspace = self._active, self._active.row, self._execution.workspace_id
        return NodeContext(
            node=self._node,
            parameters_type=self._type.Parameters,
            inputs=self._inputs,
            evaluator=evaluator,
            idempotency_key=row.idempotency_key,
            log=self._log,
            workspace=str(workspace),
            cancelled=active.cancelled,
            turns=active.ready.turns,
            resumed=active.resumed,
            outcome=active.outcome,
            node_run=row,
            start_child=partial(child_executions.start_child, row),
            deliver=partial(node_deliveries.deliver, row),
            find_credential=partial(credentials.open_for_node, workspace),
            mark_credential=partial(credentials.mark, workspace),
        )


def _scope(
    definition: Definition, execution: Execution, latest: Mapping[str, Items], inputs: dict[str, Items]
) -> ExpressionScope:
    items = main_of(inputs)
    about = {"id": str(execution.pk), "trigger": execution.trigger, "resumeUrl": waits.resume_url(execution.pk)}
    workflow = {"id": str(execution.workflow_id), "name": execution.workflow.name}
    return ExpressionScope(
        items, _Names(latest, definition.graph), about, workflow, definition.settings.get("vars") or {}
    )


class _Names(Mapping[str, Callable[[], Items]]):
    """The latest outputs by the id and the name of their nodes. Most node runs ask for none: then nothing is made."""

    def __init__(self, latest: Mapping[str, Items], graph: Graph) -> None:
        self._latest, self._graph = latest, graph

    def __getitem__(self, name: str) -> Callable[[], Items]:
        return self._named[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    @cached_property
    def _named(self) -> dict[str, Callable[[], Items]]:
        named: dict[str, Callable[[], Items]] = {}
        for node_id, items in self._latest.items():
            named[node_id] = named[self._graph.nodes[node_id].label] = partial(_same, items)
        return named


def _same(items: Items) -> Items:
    return items
