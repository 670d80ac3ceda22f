"""The outputs of node runs: sizes, limits, previews, and the latest of each node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from executions.domain.errors import NodeError
from executions.domain.items import Items, NotStorable, PackedItems, pack, sample_of
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, NodeRun


class ExecutionOutputs:
    """The outputs of one execution so far."""

    def __init__(self, response: dict[str, Any] | None) -> None:
        self.latest: dict[str, Items] = {}
        """The items of each node's last run: of its output `main`, else of its first output."""
        self.last: tuple[str, dict[str, Items]] | None = None
        """The last node with output items, and its outputs."""
        self.last_key: tuple[str, int] | None = None
        """The node run that gave them."""
        self.last_items: Items = []
        """Of those, the first that are not empty: the result of an execution that completes."""
        self.total_bytes = 0
        self.response = response
        """The answer to the webhook that triggered the execution: the first that a node gives."""

    def set(self, node_run: NodeRun, outputs: dict[str, Items], size: int) -> None:
        """Make `outputs`, of `size` bytes, the output of the node run."""
        node_run.output = outputs
        node_run.output_items = sum(len(items) for items in outputs.values())
        self.total_bytes += size - node_run.output_bytes
        node_run.output_bytes = size
        self.remember((node_run.node_id, node_run.run_index), outputs)

    def remember(self, key: tuple[str, int], outputs: dict[str, Items]) -> None:
        """Make `outputs` the latest of the node."""
        node_id = key[0]
        self.latest[node_id] = outputs.get("main") or next(iter(outputs.values()), [])
        if items := next((items for items in outputs.values() if items), None):
            self.last_items, self.last, self.last_key = items, (node_id, outputs), key

    def state(self, execution: Execution) -> dict[str, Any] | None:
        """Return what a web process that waits for the execution needs; None if that is too large for a message."""
        if isinstance(self.last_items, PackedItems):
            return None
        is_result = execution.status == ExecutionStatus.COMPLETED.value and self.response is None
        return {
            "status": execution.status,
            "response": self.response,
            "items": self.last_items if is_result else [],
        }


def pack_outputs(outputs: Mapping[str, Items]) -> tuple[dict[str, Items], dict[str, int]]:
    """Return the outputs in the form in which they are passed on, and the size of each in bytes of JSON. Raises
    NodeError if they cannot be stored."""
    packed, sizes = dict[str, Items](), dict[str, int]()
    for name, items in outputs.items():
        try:
            packed[name], sizes[name] = pack(items)
        except TypeError as error:
            raise NodeError(f"The output is not JSON: {error}.") from None
        except NotStorable as error:
            raise NodeError(str(error)) from None
    if (size := sum(sizes.values())) > settings.NODE_OUTPUT_MAX_BYTES:
        raise NodeError(
            f"The output has {size} bytes; at most {settings.NODE_OUTPUT_MAX_BYTES} are allowed"
            " (NODE_OUTPUT_MAX_BYTES)."
        )
    return packed, sizes


def check_total_bytes(already: int, size: int) -> None:
    """Check that an execution with outputs of `already` bytes may have `size` more. Raises NodeError."""
    if already + size > settings.EXECUTION_OUTPUT_MAX_BYTES:
        raise NodeError(
            f"With this output of {size} bytes the outputs of the execution have {already + size} bytes; "
            f"at most {settings.EXECUTION_OUTPUT_MAX_BYTES} are allowed (EXECUTION_OUTPUT_MAX_BYTES)."
        )


def preview(outputs: Mapping[str, Items]) -> list[Any] | None:
    """Return the first items, if they are small and EVENT_PREVIEWS is on."""
    return sample_of(next(iter(outputs.values()), [])) if settings.EVENT_PREVIEWS else None
