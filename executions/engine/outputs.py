"""The outputs of node runs: sizes, limits, previews, and the latest of each node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from executions.domain.ancestry import Source
from executions.domain.errors import NodeError
from executions.domain.final_outputs import FinalOutputs
from executions.domain.items import Items, NotStorable, PackedItems, joined, pack, sample_of
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, NodeRun
from executions.waits.responses import MAX_STATE_BYTES


class ExecutionOutputs:
    """The outputs of one execution so far."""

    def __init__(self, response: dict[str, Any] | None, final: FinalOutputs) -> None:
        self.latest: dict[str, Items] = {}
        """The items of each node's last run: of its output `main`, else of its first output."""
        self.total_bytes = 0
        self.response = response
        """The answer to the webhook that triggered the execution: the first that a node gives."""
        self._final = final
        self._places = {node_id: place for place, node_id in enumerate(final)}
        self._results: dict[tuple[str, int], dict[str, Items]] = {}
        """By node run, the outputs that are part of the result."""
        self._result_bytes = 0

    def set(self, node_run: NodeRun, outputs: dict[str, Items], size: int) -> None:
        """Make `outputs`, of `size` bytes, the output of the node run."""
        node_run.output, node_run.digest = outputs, ""
        node_run.output_items = sum(len(items) for items in outputs.values())
        self.total_bytes += size - node_run.output_bytes
        node_run.output_bytes = size
        self.remember((node_run.node_id, node_run.run_index), outputs, size)

    def remember(self, key: tuple[str, int], outputs: dict[str, Items], size: int) -> None:
        """Make `outputs`, of `size` bytes, the latest of the node, and part of the result if the node is last."""
        self.latest[key[0]] = outputs.get("main") or next(iter(outputs.values()), [])
        if results := {name: outputs[name] for name in self._final.get(key[0], ()) if outputs.get(name)}:
            self._result_bytes += size
            self._results[key] = results
            if self._result_bytes > settings.NODE_OUTPUT_MAX_BYTES:  # read from the database when it is needed
                self._results.clear()

    @property
    def result(self) -> tuple[str | None, dict[str, Items]] | None:
        """The result in the form of one node run: a node, and its outputs with the items of all last nodes in order.
        The node is None if there are no items. None if the result is too large to be kept here."""
        if self._result_bytes > settings.NODE_OUTPUT_MAX_BYTES:
            return None
        keys = sorted(self._results, key=lambda key: (self._places[key[0]], key[1]))
        if not keys:
            return None, {}
        node_id, first = keys[0][0], self._results[keys[0]]
        if len(keys) == 1:
            return node_id, first
        return node_id, {next(iter(first)): joined([items for key in keys for items in self._results[key].values()])}

    @property
    def result_sources(self) -> dict[str, list[Source]]:
        """The outputs that the items of `result` are from, by its outputs."""
        keys = sorted(self._results, key=lambda key: (self._places[key[0]], key[1]))
        sources = [Source(key, name, len(items)) for key in keys for name, items in self._results[key].items()]
        if len(keys) <= 1:
            return {source.output: [source] for source in sources}
        return {sources[0].output: sources}

    def state(self, execution: Execution, *, held: bool) -> dict[str, Any] | None:
        """Return what a web process that waits for the execution needs; None if that is too large for a message.
        `held`: a node run waits for a person."""
        items: Items = []
        if execution.status == ExecutionStatus.COMPLETED.value and self.response is None:
            if self._result_bytes > MAX_STATE_BYTES or self.result is None:
                return None
            items = joined([[], *self.result[1].values()])
        if isinstance(items, PackedItems):
            return None
        return {"status": execution.status, "response": self.response, "items": items, "held": held}


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
