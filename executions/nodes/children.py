"""What a node run says to start a child execution for each of its items, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from executions.domain.errors import NodeError
from executions.domain.items import Item, Items

# For annotations only: computing nodes also run in sandbox processes, which do not load Django.
if TYPE_CHECKING:
    from executions.models import Workflow

OnFailure = Literal["continue", "finish", "stop"]
"""What a child that fails does to the others: nothing; none starts after it; or the wait for them ends as well."""
Outcome = Mapping[str, Any]
"""How a child ended: `{execution, status, items, error}`. `retryable` is false if it could not start at all."""


@dataclass(frozen=True, slots=True)
class ItemCall:
    """The workflow to start for an item."""

    index: int
    workflow: Workflow
    item: Item


class ItemChildren(Protocol):
    """The child executions of the items of an attempt."""

    def start(self, calls: Sequence[ItemCall], at_once: int, on_failure: OnFailure) -> bool:
        """Plan a child for each call and start the first `at_once` of them; the others follow as these end. An attempt
        that is repeated after a crash keeps the children that it has. Returns whether all have ended already, so that
        there is nothing to wait for. Raises NodeError."""

    def start_unawaited(self, calls: Sequence[ItemCall]) -> Mapping[int, Outcome]:
        """Start a child for each call, for which nothing waits. Returns for each item `{execution, workflow, status}`,
        or `{status: "failed", error}` if its child could not start. Raises NodeError."""

    def outcomes(self) -> Mapping[int, Outcome]:
        """Return how the children of this attempt ended, by item; those that have not are left out."""


def items_of(outcome: Outcome) -> Items:
    """Return the result of a child. Raises NodeError if it did not complete, or its result is too large."""
    status, error = outcome.get("status"), outcome.get("error")
    if status == "completed":
        if error:
            raise NodeError(error)
        items: Items = outcome["items"]
        return items
    if outcome.get("execution") is None:
        raise NodeError(str(error), retryable=bool(outcome.get("retryable")))
    message = f"The execution {outcome['execution']} ended with status {status}"
    message += f": {error}" if error else "."
    raise NodeError(message, retryable=status != "cancelled")
