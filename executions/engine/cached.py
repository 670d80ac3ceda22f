"""The engine's way through the result cache: of one node run, and of a whole execution."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from executions import cache
from executions.domain.errors import NodeError
from executions.domain.graph import Node
from executions.domain.items import Items
from executions.domain.statuses import NodeRunStatus
from executions.engine.attempt import packed
from executions.engine.definition import Definition
from executions.models import Execution, NodeRun
from executions.nodes.base import NodeContext, NodeResult, NodeType

logger = logging.getLogger(__name__)


def is_cached(node: Node, node_type: NodeType[Any]) -> bool:
    """Tell whether the node's runs go through the cache. They then have a thread of their own: they may wait."""
    wanted = node.cache is not None and not node.disabled and settings.CACHE_ENABLED
    return wanted and node_type.cacheable and not node_type.trigger


def run_through(
    workspace_id: UUID,
    node_type: NodeType[Any],
    run: Callable[[NodeContext[Any]], NodeResult],
    context: NodeContext[Any],
) -> NodeResult:
    """Return the result from the cache, or `run` the node and keep what it gives. Raises what `run` raises: an error is
    never kept."""
    assert context.node.cache is not None
    context.resolved = {}
    try:
        key = cache.node_key(workspace_id, node_type, context)
    except (NodeError, TypeError, ValueError):
        return run(context)  # it says better what is wrong
    answer = cache.ask("node", key, cache.ttl_ms(context.node.cache.ttl), context.cancelled)
    if isinstance(answer, cache.Hit):
        return NodeResult(answer.value, from_cache=True)
    outputs: dict[str, Items] | None = None
    try:
        if context.cancelled.is_set():
            raise NodeError("Cancelled.")
        result = run(context)
        if result.wait_for is None and not result.keep_open and result.response is None:
            outputs, _ = packed(result.outputs)
        return result
    finally:
        answer.land(outputs, keep=outputs is not None)


@dataclass(frozen=True, slots=True)
class Served:
    """The result of an earlier execution: which node gave it last, and what; what a webhook was answered."""

    execution_id: UUID
    node: str | None
    outputs: dict[str, Items]
    response: dict[str, Any] | None


class WholeResult:
    """An execution that may be served whole. `ask` and `leave` block: they belong into a thread of their own."""

    def __init__(self, execution: Execution, definition: Definition, *, begun: bool) -> None:
        """`begun`: it has node runs already; then it goes on by itself."""
        found: Mapping[str, Any] | None = definition.settings.get("cache")
        rerun = execution.rerun_of_id is not None  # asked for to run
        self.wanted = found is not None and not begun and not rerun and settings.CACHE_ENABLED
        self.cancelled = threading.Event()
        self._execution, self._ttl = execution, cache.ttl_ms((found or {}).get("ttl"))
        self._flight: cache.Flight | None = None
        self._answer: dict[str, Any] | None = None
        self._confirmed = False

    def ask(self) -> Served | None:
        """Return the result that is there, or that another execution is about to have; None: run. Never raises."""
        execution = self._execution
        try:
            key = cache.execution_key(
                execution.workspace_id, execution.version_id, execution.trigger_node, execution.input
            )
            answer = cache.ask("execution", key, self._ttl, self.cancelled)
            if isinstance(answer, cache.Flight):
                self._flight = answer
                return None
            value = answer.value
            return Served(UUID(value["execution"]), value["node"], value["outputs"], value["response"])
        except Exception:
            logger.exception("execution %s runs without the result cache", execution.pk)
            return None

    def gave(
        self, node: str | None, outputs: dict[str, Items], response: dict[str, Any] | None, rows: Iterable[NodeRun]
    ) -> None:
        """The execution has completed with this result; it is kept if no node failed on the way."""
        if all(row.status != NodeRunStatus.FAILED for row in rows):
            self._answer = {"execution": str(self._execution.pk), "node": node, "outputs": outputs}
            self._answer["response"] = response

    def confirm(self) -> None:
        """What the execution said last is written: its result is one."""
        self._confirmed = True

    def leave(self) -> None:
        """Keep the result if there is one, and let those who wait for it go on."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.land(self._answer, keep=self._confirmed and self._answer is not None)
