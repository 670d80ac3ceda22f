"""One attempt of a node run: its input, where it runs, its outcome and its cost.

This module writes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from executions import binaries, credentials
from executions.domain.ancestry import RecordedRun
from executions.domain.errors import NodeError
from executions.domain.expressions import Budget, BudgetExceeded, Evaluator, ExpressionScope, Resolver
from executions.domain.graph import Graph, Node
from executions.domain.items import Items, is_small, joined, main_of
from executions.domain.lineage import SAME, limited, misfits
from executions.engine import child_executions, node_deliveries, sandbox_runner, static_data, surroundings
from executions.engine.definition import Definition
from executions.engine.flow import Ready
from executions.engine.holding import NOTHING, Edits
from executions.engine.outputs import pack_outputs
from executions.engine.pairings import LatestOutputs, NodeNames, PairedOutputs, PastRuns
from executions.engine.result_cache import is_cached, run_cached
from executions.engine.run_cost import RunCost
from executions.models import Execution, NodeRun, Wait
from executions.nodes.base import NodeContext, NodeResult, NodeType
from executions.nodes.exchanges import Exchanges
from executions.nodes.item_outcomes import ItemError, ItemOutcomes, OutcomeKeeper
from executions.nodes.used_parameters import UsedParameters, has_expressions
from executions.waits import waits
from executions.waits.item_children import ChildrenOfItems
from workflow_platform.core.logs import log_context
from workflow_platform.core.spending import Spending, collecting
from workflow_platform.core.telemetry import exporting
from workflow_platform.core.telemetry.trace_context import attempt_span

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class ActiveNodeRun:
    """A node run that has begun and not ended."""

    ready: Ready
    row: NodeRun
    started: float = field(default_factory=time.monotonic)
    """When its attempt began, on the monotonic clock."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    took_ms: float = 0
    """The duration of its last attempt."""
    retry_at: float | None = None
    """When its next attempt begins, on the monotonic clock; None while one runs."""
    resumed: bool = False
    """It continues after a wait."""
    outcome: dict[str, Any] | None = None
    """How that wait was resolved; None if its time ran out."""
    has_wait: bool = False
    """It waits for something outside of the execution: it has a `Wait`."""
    hold: Wait | None = None
    """The hold that is over, until it goes on as the answer says."""
    answer: Mapping[str, Any] | None = None
    """The answer to that hold (`executions.engine.holding`)."""
    edits: Edits = NOTHING
    """What people edited, for all its further attempts."""
    outcomes: ItemOutcomes = field(default_factory=ItemOutcomes)
    """What came of each item, over all attempts."""
    exchanges: Exchanges = field(default_factory=Exchanges)
    """What it sent to other systems and received, over all attempts."""
    used: UsedParameters = field(default_factory=UsedParameters)
    """The parameters that its attempt has resolved."""
    cost: RunCost = field(default_factory=RunCost)
    """What it has cost, over all attempts."""

    def again(self) -> ActiveNodeRun:
        """Return the same node run for another attempt: what belongs to the last one is left behind."""
        return ActiveNodeRun(
            self.ready, self.row, outcomes=self.outcomes, exchanges=self.exchanges, cost=self.cost, edits=self.edits
        )

    def node(self, graph: Graph) -> Node:
        """Return the definition that its attempts follow: that of the version, or an edited one."""
        return self.edits.node or graph.nodes[self.row.node_id]

    @property
    def taken_over(self) -> list[UUID]:
        """Return the node run if it may have stored outcomes, which its end takes over."""
        return [self.row.pk] if self.outcomes.has_kept or self.has_wait else []


@dataclass(slots=True)
class NodeOutcome:
    """How an attempt ended: a result or an error, with what it cost."""

    result: NodeResult | None
    error: Exception | None
    duration_ms: float
    """Of the attempt alone, while its node runs."""
    cpu_ms: float | None = None
    """Of its thread and of its sandbox tasks; None: unknown."""
    spending: Spending = field(default_factory=Spending)
    """What it waited for and sent to other systems, and the memory of its sandbox tasks."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of JSON of each output of the result."""
    parameters: dict[str, Any] | None = None
    """The parameters after expressions, as they are stored; None if none were resolved."""


class NodeAttempt:
    """One attempt of a node run, to be made in the actor's thread or in one that may block."""

    def __init__(
        self,
        active: ActiveNodeRun,
        definition: Definition,
        execution: Execution,
        past: PastRuns,
        log: Callable[[str, str], None],
        keeper: OutcomeKeeper | None = None,
        sent: credentials.HostBinding | None = None,
    ) -> None:
        """`keeper` keeps the outcomes of items that are made in a thread; `sent` notes where the node sends
        credentials."""
        self._active, self._execution, self._log, self._keeper = active, execution, log, keeper
        self._binding = active.edits.binding(sent or credentials.HostBinding())
        active.outcomes.begin(active.row.attempt)
        active.used.begin()
        self._node, self._edited = active.node(definition.graph), active.edits.node is not None
        self._type = definition.types[self._node.id]
        self._inputs = active.ready.inputs
        self._record = past.traces.ancestry.runs[active.row.node_id, active.row.run_index]
        if self._type.join:
            self._add_silent_inputs(definition)
        self._scope = _scope(definition, execution, past, active.ready, self._inputs, self._record)
        self._computes = self._type.computes and not self._type.passes_through(self._node.parameters)
        self._cached = is_cached(self._node, self._type) and not active.resumed

    def run_inline(self) -> NodeOutcome | None:
        """Make the attempt in this thread if it is quick; None: call `run_in_thread` instead."""
        if not self._node.disabled:
            if self._type.blocking or self._cached:
                return None
            if self._computes and not is_small(self._inputs, self._type.inline_bytes):
                return None
            if self._type.file_key(self._node.parameters):
                return None
        evaluator = Evaluator(self._scope, budget=Budget())
        try:
            return self._traceable(
                run_node(
                    self._node,
                    self._type,
                    self._inputs,
                    lambda: self._context(evaluator, inline=True),
                    edited=self._edited,
                )
            )
        except BudgetExceeded:
            return None

    def run_in_thread(self) -> NodeOutcome:
        """Make the attempt in a thread that may block: a node that computes runs in a sandbox process."""
        run = partial(sandbox_runner.run, self._type) if self._computes else self._type.perform
        if self._cached:
            execution = self._execution
            run = partial(run_cached, execution.workspace_id, self._type, run, read_only=not execution.is_live)
        self._active.outcomes.keeper = self._keeper
        workspace = str(self._execution.workspace_id)
        evaluator = sandbox_runner.FallbackEvaluator(self._scope, workspace, self._active.cancelled)
        with log_context(node=self._node.id, attempt=self._active.row.attempt):
            return self._traceable(
                run_node(
                    self._node, self._type, self._inputs, lambda: self._context(evaluator), run, edited=self._edited
                )
            )

    def _traceable(self, outcome: NodeOutcome) -> NodeOutcome:
        """Keep of the result's lineage what can be stored."""
        if (result := outcome.result) is not None and self._active.edits.input is not None:
            result.lineage = {}  # of items that no node put out
        elif result is not None and result.lineage:
            counts = {name: len(items) for name, items in result.outputs.items()}
            lineage = limited(result.lineage, counts)
            if wrong := misfits(lineage, counts, self._record.count):
                logger.error("node type %s gave a wrong lineage for %s", self._type.type, ", ".join(wrong))
            result.lineage = {name: origins for name, origins in lineage.items() if name not in wrong}
        return outcome

    def _add_silent_inputs(self, definition: Definition) -> None:
        """Add the inputs of a join that edges lead to and that received no items. Edited input of a rerun came along no
        edge and stays alone."""
        connected = dict.fromkeys(edge.target_input for edge in definition.graph.edges_into(self._node.id))
        if self._inputs.keys() <= connected.keys():
            self._inputs = self._inputs | {name: [] for name in connected if name not in self._inputs}

    def _context(self, evaluator: Resolver, inline: bool = False) -> NodeContext[Any]:
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
            turns=active.ready.iterations,
            resumed=active.resumed,
            outcome=active.outcome,
            node_run=row,
            start_child=partial(child_executions.start_child, row),
            children=ChildrenOfItems(row),
            deliver=partial(node_deliveries.deliver, row),
            static_data=partial(static_data.read, self._execution.workflow_id, self._node.id),
            find_credential=partial(credentials.open_for_node, workspace, binding=self._binding),
            mark_credential=partial(credentials.mark, workspace),
            outcomes=active.outcomes,
            exchanges=active.exchanges,
            used=active.used,
            traceparent=self._traceparent,
            files=binaries.FilesOfExecution(workspace, self._execution.pk),
            inline=inline,
        )

    def _traceparent(self) -> str:
        """Return the header for requests of the attempt: a span of the execution's trace."""
        row, execution = self._active.row, self._execution
        span_id = attempt_span(execution.pk, row.node_id, row.run_index, row.attempt)
        return exporting.outgoing(execution.trace_context, span_id)


def run_node(
    node: Node,
    node_type: NodeType[Any],
    inputs: dict[str, Items],
    make_context: Callable[[], NodeContext[Any]],
    run: Callable[[NodeContext[Any]], NodeResult] | None = None,
    *,
    edited: bool = False,
) -> NodeOutcome:
    """Run the node once with `run`, by default its type's `perform`; a disabled node passes its items through.
    `edited`: it is not the node of the workflow version.

    Errors are returned in the outcome. Raises BudgetExceeded only.
    """
    run = run or node_type.perform
    began, cpu = time.perf_counter(), time.thread_time()
    result, error, sizes = None, None, dict[str, int]()
    context: NodeContext[Any] | None = None
    with collecting() as spending:
        try:
            if node.disabled:
                result = pass_through(node, node_type, inputs)
            else:
                context = make_context()
                result = run(context)
            try:
                result.outputs, sizes = pack_outputs(result.outputs)
            except NodeError:
                if context is not None:
                    context.outcomes.forget()
                raise
        except BudgetExceeded:
            raise
        except Exception as raised:
            result, error = None, raised
    return NodeOutcome(
        result,
        error,
        round((time.perf_counter() - began) * 1000, 3),
        round((time.thread_time() - cpu) * 1000 + spending.cpu_ms, 3),
        spending,
        sizes,
        recorded_parameters(node, context.used, failed=result is None or result.error is not None, edited=edited)
        if context
        else None,
    )


def recorded_parameters(
    node: Node, used: UsedParameters, *, failed: bool, edited: bool = False
) -> dict[str, Any] | None:
    """Return the parameters after expressions, for the node run's row. None if nothing was resolved, or there are no
    expressions: the workflow version has such parameters, unless they were `edited`."""
    if not edited and not has_expressions(node.parameters):
        return None
    try:
        return used.data(failed=failed)
    except Exception:  # what is shown must not decide whether a node fails
        logger.exception("parameters not recorded; the node run goes on", extra={"node": node.id})
        return None


def error_data(error: Exception, node: Node) -> dict[str, Any]:
    """Return an error in the form in which events and rows store it."""
    known = ItemError.of(error)
    return known.as_data() | {"node": node.id, "retryable": known.retryable}


def pass_through(node: Node, node_type: NodeType[Any], inputs: dict[str, Items]) -> NodeResult:
    """Return the result of a node that its items pass by."""
    outputs = node_type.output_names(node.parameters)
    items = joined(list(inputs.values()))
    return NodeResult({outputs[0]: items}, {outputs[0]: SAME}) if outputs else NodeResult()


def _scope(
    definition: Definition,
    execution: Execution,
    past: PastRuns,
    ready: Ready,
    inputs: dict[str, Items],
    record: RecordedRun,
) -> ExpressionScope:
    about = {
        "id": str(execution.pk),
        "mode": execution.mode,
        "trigger": execution.trigger,
        "resumeUrl": waits.resume_url(execution.pk),
        "customData": execution.attributes,
    }
    workflow = {
        "id": str(execution.workflow_id),
        "name": execution.workflow.name,
        "active": execution.workflow.active,
    }
    names = NodeNames(past.latest, definition.graph)
    return ExpressionScope(
        main_of(inputs),
        LatestOutputs(names, past.latest),
        about,
        workflow,
        definition.settings.get("vars") or {},
        surroundings.of_node_run(definition, ready, past.latest),
        PairedOutputs(names, definition.graph, past, inputs, record),
    )
