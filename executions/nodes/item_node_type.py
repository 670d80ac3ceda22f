"""Base classes of node types whose items have an outcome each."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from executions.domain.errors import NodeError
from executions.domain.expressions import BudgetExceeded
from executions.domain.items import Item, Items
from executions.domain.lineage import Origin, compact
from executions.nodes.item_outcomes import error_output
from executions.nodes.node_context import NodeContext, NodeResult, P
from executions.nodes.node_type import NodeType, without_secrets

logger = logging.getLogger(__name__)


class PerItemNodeType(NodeType[P]):
    """A node type whose items have an outcome each, whether it processes them one by one or together."""

    def fail_item(self, context: NodeContext[Any], index: int, error: Exception) -> None:
        """An attempt at an item has failed. Raises the error if that ends the attempt at the node."""
        context.used.item_failed(index)
        if context.cancelled.is_set() or context.node.on_error == "stop":
            raise error
        if isinstance(error, NodeError):
            context.redact(error)
        else:
            error = without_secrets(context, error)
            if not context.outcomes.has_failed_unexpectedly:  # one traceback is enough for many items
                extra = {"node": context.node.id, "node_type": self.type}
                logger.error("item %d failed with an unexpected error", index, exc_info=error, extra=extra)
            context.outcomes.has_failed_unexpectedly = True
        context.outcomes.fail(index, error)

    def result_of(self, context: NodeContext[Any]) -> NodeResult:
        """Return the result that the outcomes of all items make."""
        node = context.node
        made = context.outcomes.result(context.items, error_output(node.on_error, self.output_names(node.parameters)))
        all_failed = bool(made.failed) and not made.succeeded
        return NodeResult(made.outputs, made.lineage, failed_items=made.failed, error=made.error, all_failed=all_failed)


class ItemNodeType(PerItemNodeType[P]):
    """A node type that processes each item on its own, so each output item came from the item that it was made of."""

    @abstractmethod
    def run_item(self, context: NodeContext[Any], index: int, item: Item) -> Mapping[str, Items]:
        """Process one item. Returns the items of each output. Raises NodeError."""

    def opened(self, context: NodeContext[Any]) -> AbstractContextManager[Any]:
        """Open what all items share, such as a connection: `context.shared` while the items run. Raises NodeError."""
        return nullcontext()

    def is_all_or_nothing(self, context: NodeContext[Any]) -> bool:
        """Return whether nothing is done until all items have succeeded, as in a database transaction."""
        return False

    def run(self, context: NodeContext[Any]) -> NodeResult:
        outcomes = context.outcomes
        if outcomes.keeper is None and context.node.on_error == "stop":
            return self._run_whole(context)
        outcomes.all_or_nothing = self.is_all_or_nothing(context)
        if any(index not in outcomes for index in range(len(context.items))):
            try:
                with self.opened(context) as context.shared:
                    self._run_items(context)
                outcomes.check_finished()
            except Exception:
                outcomes.end_attempt()
                raise
        return self.result_of(context)

    def _run_whole(self, context: NodeContext[Any]) -> NodeResult:
        """Process all items without noting their outcomes: none is kept, and the first error ends the attempt."""
        outputs, origins = dict[str, list[Item]](), dict[str, list[Origin]]()
        with self.opened(context) as context.shared:
            for index, item in enumerate(context.items):
                try:
                    made = self.run_item(context, index, item)
                except Exception:
                    context.used.item_failed(index)
                    raise
                for name, items in made.items():
                    outputs.setdefault(name, []).extend(items)
                    origins.setdefault(name, []).extend([index] * len(items))
        count = len(context.items)
        return NodeResult(outputs, {name: compact(numbers, count) for name, numbers in origins.items()})

    def _run_items(self, context: NodeContext[Any]) -> None:
        """Process the items that have no outcome yet. Raises NodeError if the attempt at the node ends."""
        outcomes = context.outcomes
        for index, item in enumerate(context.items):
            if index in outcomes:
                continue
            if context.cancelled.is_set():
                raise NodeError("Cancelled.")
            outcomes.commit()
            try:
                outputs = self.run_item(context, index, item)
            except (BudgetExceeded, MemoryError):
                raise
            except Exception as error:
                self.fail_item(context, index, error)
            else:
                outcomes.succeed(index, context.redaction.value(outputs))
