"""What a node run is given: its context, with the scope of its expressions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from executions import credentials, node_deliveries, sub_workflows, waits
from executions.engine.attempt import Outcome, attempt
from executions.engine.cached import is_cached, run_through
from executions.engine.definition import Definition
from executions.engine.planner import Items, Ready
from executions.expressions import Evaluator, Scope
from executions.models import Execution, NodeRun
from executions.nodes.base import NodeContext


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


def work(
    active: Active,
    definition: Definition,
    execution: Execution,
    latest: Mapping[str, Items],
    log: Callable[[str, str], None],
) -> Callable[[], Outcome]:
    """Return the call that makes one attempt. It may run in any thread."""
    node = definition.graph.nodes[active.row.node_id]
    node_type, inputs = definition.types[node.id], active.ready.inputs
    scope = _scope(definition, execution, latest, inputs)

    def context() -> NodeContext[Any]:
        return NodeContext(
            node=node,
            parameters_type=node_type.Parameters,
            inputs=inputs,
            evaluator=Evaluator(scope),
            idempotency_key=active.row.idempotency_key,
            log=log,
            workspace=str(execution.workspace_id),
            cancelled=active.cancelled,
            turns=active.ready.turns,
            resumed=active.resumed,
            outcome=active.outcome,
            node_run=active.row,
            start_child=partial(sub_workflows.start_child, active.row),
            deliver=partial(node_deliveries.deliver, active.row),
            find_credential=partial(credentials.open_for_node, execution.workspace_id),
            mark_credential=partial(credentials.mark, execution.workspace_id),
        )

    if is_cached(node, node_type) and not active.resumed:
        run = partial(run_through, execution.workspace_id, node_type, node_type.perform)
        return lambda: attempt(node, node_type, inputs, context, run)
    return lambda: attempt(node, node_type, inputs, context)


def _scope(
    definition: Definition, execution: Execution, latest: Mapping[str, Items], inputs: dict[str, Items]
) -> Scope:
    items = inputs.get("main") or next(iter(inputs.values()), [])
    names: dict[str, Callable[[], Items]] = {}
    for node_id, found in latest.items():
        names[node_id] = names[definition.graph.nodes[node_id].label] = lambda found=found: found  # type: ignore[misc]
    about = {"id": str(execution.pk), "trigger": execution.trigger, "resumeUrl": waits.resume_url(execution.pk)}
    workflow = {"id": str(execution.workflow_id), "name": execution.workflow.name}
    return Scope(items, names, about, workflow, definition.settings.get("vars") or {})
