"""The engine's use of the result cache: for one node run, and for a whole execution."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from executions import cache
from executions.domain.ancestry import Ancestry
from executions.domain.binaries import references_in
from executions.domain.errors import NodeError
from executions.domain.graph import Node
from executions.domain.input_origins import origins_in_input
from executions.domain.items import Items
from executions.domain.lineage import Lineage
from executions.domain.statuses import NodeRunStatus
from executions.engine.definition import Definition
from executions.engine.outputs import ExecutionOutputs, pack_outputs
from executions.models import Execution, NodeRun
from executions.nodes.base import NodeContext, NodeResult, NodeType

logger = logging.getLogger(__name__)


def is_cached(node: Node, node_type: NodeType[Any]) -> bool:
    """Return whether the node's runs use the cache. Such runs may block, so they run in a thread."""
    enabled = node.cache is not None and not node.disabled and settings.CACHE_ENABLED
    return enabled and node_type.cacheable and not node_type.trigger


def run_cached(
    workspace_id: UUID,
    node_type: NodeType[Any],
    run: Callable[[NodeContext[Any]], NodeResult],
    context: NodeContext[Any],
    *,
    read_only: bool = False,
) -> NodeResult:
    """Return the result from the cache, or `run` the node and store its result. Raises what `run` raises; an error is
    never stored. `read_only`: a test may use what live executions have stored, and stores nothing."""
    assert context.node.cache is not None
    context.resolved = {}
    try:
        key = cache.node_key(workspace_id, node_type, context)
    except (NodeError, TypeError, ValueError):
        return run(context)  # the node's own error is more precise
    ttl = cache.ttl_ms(context.node.cache.ttl)
    answer = cache.peek(key, ttl) if read_only else cache.ask("node", key, ttl, context.cancelled)
    if answer is None:
        return run(context)
    if isinstance(answer, cache.Hit):
        attributes = answer.value.get("attributes", {})
        return NodeResult(answer.value["outputs"], answer.value["lineage"], from_cache=True, attributes=attributes)
    value: dict[str, Any] | None = None
    try:
        if context.cancelled.is_set():
            raise NodeError("Cancelled.")
        result = run(context)
        if result.wait_for is None and not result.keep_open and result.response is None and not result.failed_items:
            outputs, _ = pack_outputs(result.outputs)
            value = {"outputs": outputs, "lineage": result.lineage, "attributes": dict(result.attributes)}
        return result
    finally:
        answer.resolve(value, keep=value is not None and not _has_files(value["outputs"]))


def _has_files(outputs: Mapping[str, Items]) -> bool:
    """Return whether an item has files. They belong to their execution, so a result with files is not cached."""
    return any(references_in(items) for items in outputs.values())


@dataclass(frozen=True, slots=True)
class CachedResult:
    """The result of an earlier execution: the node that put it out, its outputs, and the webhook's response."""

    execution_id: UUID
    node: str | None
    outputs: dict[str, Items]
    response: dict[str, Any] | None
    lineage: Lineage
    """Which items of the execution's input the outputs came from."""
    attributes: Mapping[str, str]
    """The attributes of the execution."""


class ExecutionCache:
    """The result of one whole execution in the cache. `look_up` and `release` block: call them in a node thread."""

    def __init__(self, execution: Execution, definition: Definition, *, has_begun: bool) -> None:
        """An execution that `has_begun` already has node runs, and does not use the cache."""
        options: Mapping[str, Any] | None = definition.settings.get("cache")
        is_meant_to_run = execution.rerun_of_id is not None or not execution.is_live
        self.enabled = options is not None and not has_begun and not is_meant_to_run and settings.CACHE_ENABLED
        self.cancelled = threading.Event()
        self._execution, self._ttl = execution, cache.ttl_ms((options or {}).get("ttl"))
        self._flight: cache.Flight | None = None
        self._value: dict[str, Any] | None = None
        self._committed = False

    def look_up(self) -> CachedResult | None:
        """Return the stored result, or that of an execution that computes it; None: run the nodes. Never raises."""
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
            return CachedResult(
                UUID(value["execution"]),
                value["node"],
                value["outputs"],
                value["response"],
                value["lineage"],
                value.get("attributes", {}),
            )
        except Exception:
            logger.exception(
                "the result cache failed; the execution runs without it",
                extra={"execution_id": str(execution.pk), "workflow_id": str(execution.workflow_id)},
            )
            return None

    def set_result(self, outputs: ExecutionOutputs, ancestry: Ancestry, rows: Iterable[NodeRun]) -> None:
        """Note the result of an execution that completes; it is stored only if no node failed, and no person
        edited what a node did or put out."""
        if not self.enabled or (result := outputs.result) is None:
            return
        node, items = result
        is_whole = all(row.status != NodeRunStatus.FAILED and not row.failed_items and not row.edited for row in rows)
        attributes = self._execution.attributes
        if not is_whole or _has_files(items) or (node is None and attributes):
            return  # attributes are those of a node run, which a result without items has not
        origins = {name: origins_in_input(ancestry, sources) for name, sources in outputs.result_sources.items()}
        self._value = {
            "execution": str(self._execution.pk),
            "node": node,
            "outputs": items,
            "response": outputs.response,
            "attributes": attributes,
            "lineage": {name: known for name, known in origins.items() if known is not None},
        }

    def confirm(self) -> None:
        """Note that the end of the execution is committed: from now on its result may be stored."""
        self._committed = True

    def release(self) -> None:
        """Store the result if there is one, and let executions that wait for it continue."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.resolve(self._value, keep=self._committed and self._value is not None)
