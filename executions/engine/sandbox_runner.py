"""Work that would block the worker's threads, done in a sandbox process: nodes that compute, and slow expressions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from executions.domain.binaries import FileOfItem, files_of
from executions.domain.errors import ExpressionPlace, NodeError
from executions.domain.expressions import Budget, BudgetExceeded, Evaluator, ExpressionError, ExpressionScope
from executions.domain.items import PACKED_BYTES, Items, PackedItems, chunks_of
from executions.domain.lineage import MAX_ORIGINS
from executions.domain.node_references import with_node_names
from executions.nodes.base import NodeContext, NodeResult, NodeType
from executions.nodes.file_access import FileReader
from executions.nodes.item_outcomes import ItemError
from workflow_platform.core.sandbox.frames import Part, StreamedPart
from workflow_platform.core.sandbox.pool import sandbox
from workflow_platform.core.sandbox.task import Reply, Task, TaskCancelled

logger = logging.getLogger(__name__)

HEAD_BYTES = 2**20
"""Bytes of a reply's head, which the limit for outputs does not count."""
MAX_FILES_BYTES, MAX_FILES = 32 * 2**20, 1_000
ORIGINS_BYTES = 8 * MAX_ORIGINS
"""The most bytes of a reply's lineage, which the limit for outputs does not count."""
BATCH = 200
"""Items whose parameters are resolved in one task."""


def run(node_type: NodeType[Any], context: NodeContext[Any]) -> NodeResult:
    """Run a node that computes. Raises NodeError."""
    resolved = context.resolved
    head = {
        "module": type(node_type).__module__,
        "class": type(node_type).__name__,
        "node": context.node.model_dump(mode="json"),
        "attempt": context.outcomes.attempt,
        "resolved": None if resolved is None else [resolved[n].model_dump(mode="json") for n in sorted(resolved)],
    }
    files = _files(node_type.file_key(context.node.parameters), context)
    task = _task("run", head, context.inputs, context.evaluator.scope, context.node.parameters, files)
    reply = _run_task(task, context.workspace, context.evaluator.scope, context.cancelled)
    if reply.failure == "output":
        raise NodeError(
            f"The output has {reply.detail} bytes; at most {settings.NODE_OUTPUT_MAX_BYTES} are allowed"
            " (NODE_OUTPUT_MAX_BYTES)."
        )
    if reply.failure:
        raise NodeError(reply.explain(task, "The node"), retryable=reply.retryable)
    return _result(reply, context)


def _result(reply: Reply, context: NodeContext[Any]) -> NodeResult:
    head, chunks = orjson.loads(reply.parts[0]), iter(reply.parts[1:])
    for level, message in head["logs"]:
        context.log(level, message)
    if head["parameters"] is not None:
        item, values = head["parameters"]
        context.note_parameters(item, values)
    if "error" in head:
        place = head.get("place")
        expression = None if place is None else ExpressionPlace(**place)
        names = context.evaluator.scope.surroundings.get("names")
        raise NodeError(with_node_names(head["error"], names), retryable=head["retryable"], expression=expression)
    if "bug" in head:
        logger.error(
            "node %s raised an unexpected error in a sandbox process; its attempt fails:\n%s",
            context.node.id,
            head["trace"],
            extra={"node": context.node.id} | _log_fields(context.evaluator.scope),
        )
        raise RuntimeError(head["bug"])
    outputs = {each["name"]: _items([next(chunks) for _ in each["counts"]], each) for each in head["outputs"]}
    error = head["item_error"]
    return NodeResult(
        outputs,
        orjson.loads(next(chunks)),
        keep_open=head["keep_open"],
        failed_items=head["failed_items"],
        error=None if error is None else ItemError(**error),
        all_failed=head["all_failed"],
    )


def _log_fields(scope: ExpressionScope) -> dict[str, str]:
    return {"execution_id": str(scope.execution.get("id", "")), "workflow_id": str(scope.workflow.get("id", ""))}


def _items(chunks: list[bytes], output: dict[str, Any]) -> Items:
    packed = PackedItems(chunks, output["counts"], output["sample"])
    return packed if packed.size > PACKED_BYTES else list(packed)


class FallbackEvaluator:
    """Evaluates expressions in this process while they are quick, then in a sandbox process."""

    def __init__(self, scope: ExpressionScope, workspace: str, cancelled: threading.Event) -> None:
        self.scope = scope
        self._workspace, self._cancelled = workspace, cancelled
        self._local: Evaluator | None = Evaluator(scope, budget=Budget())
        self._value: Any = None
        self._replies: dict[int, bytes] = {}

    def resolve(self, value: Any, item_index: int = 0) -> Any:
        """Return `value` with every expression in it evaluated for one item. Raises ExpressionError, NodeError."""
        if self._local is not None:
            try:
                return self._local.resolve(value, item_index)
            except BudgetExceeded:
                self._local = None
        if value is not self._value or item_index not in self._replies:
            self._value = value
            self._replies = dict(enumerate(self._resolve_batch(value, item_index), item_index))
        reply = orjson.loads(self._replies[item_index])
        if "error" in reply:
            place = reply["place"]
            message = with_node_names(reply["error"], self.scope.surroundings.get("names"))
            error = ExpressionError(message, place["source"], place["line"], place["column"])
            error.path = place["path"]
            raise error
        return reply["value"]

    def _resolve_batch(self, value: Any, first: int) -> list[bytes]:
        end = max(first + 1, min(first + BATCH, len(self.scope.items)))
        while True:
            head = {"value": value, "first": first, "end": end}
            task = _task("resolve", head, {"main": self.scope.items}, self.scope, value)
            reply = _run_task(task, self._workspace, self.scope, self._cancelled)
            if reply.failure != "output" or end == first + 1:
                break
            end = first + 1  # one item at a time: the values of the batch are too large together
        if reply.failure:
            raise NodeError(reply.explain(task, "Evaluating the parameters"), retryable=reply.retryable)
        return reply.parts


def _run_task(task: Task, workspace: str, scope: ExpressionScope, cancelled: threading.Event) -> Reply:
    try:
        return sandbox().run(task, group=workspace, queue=str(scope.execution.get("id", "")), cancelled=cancelled)
    except TaskCancelled:
        raise NodeError("Cancelled.") from None


def _task(
    function: str,
    head: dict[str, Any],
    inputs: dict[str, Items],
    scope: ExpressionScope,
    parameters: Any,
    files: Sequence[tuple[FileOfItem, FileReader]] = (),
) -> Task:
    """Return a task with the inputs, the outputs of those other nodes that the parameters name, and files."""
    described, nodes, arrays = list[dict[str, Any]](), dict[int, dict[str, Any]](), list[bytes]()

    def add(items: Items) -> list[int]:
        chunks, counts = chunks_of(items)
        arrays.extend(chunks)
        return counts

    for name, items in inputs.items():
        described.append({"name": name, "counts": add(items)})
    source = "\n".join(_templates(parameters))
    for name, items in scope.named_in(source).items():
        if (node := nodes.get(id(items))) is not None:  # named both by its id and by its name
            node["names"].append(name)
        else:
            nodes[id(items)] = {"names": [name], "counts": add(items)}
    words = {
        "execution": scope.execution,
        "workflow": scope.workflow,
        "vars": scope.vars,
        "surroundings": scope.surroundings_in(source),
    }
    shown = [file.as_json() | {"name": reader.name, "media_type": reader.media_type} for file, reader in files]
    head |= {"inputs": described, "nodes": list(nodes.values()), "words": words, "files": shown}
    head["pairings"] = scope.paired_in(source)
    head["lineage_bytes"] = min(ORIGINS_BYTES, settings.NODE_OUTPUT_MAX_BYTES)
    parts: list[Part] = [orjson.dumps(head), *arrays]
    parts += [StreamedPart(reader.size, reader.chunks) for _, reader in files]
    return Task(
        f"executions.nodes.in_sandbox:{function}",
        parts,
        settings.NODE_CPU_SECONDS,
        settings.NODE_MEMORY_MB * 2**20,
        settings.NODE_OUTPUT_MAX_BYTES + HEAD_BYTES + head["lineage_bytes"],
    )


def _files(key: str, context: NodeContext[Any]) -> list[tuple[FileOfItem, FileReader]]:
    """Return the files that the items have under a key, each once. Raises NodeError if they are too large."""
    if "{{" in key:
        raise NodeError("parameters.binary: enter the key of a file; it cannot be an expression.")
    found, size = dict[UUID, tuple[FileOfItem, FileReader]](), 0
    for index, item in enumerate(context.items if key else []):
        file = files_of(item).get(key)
        if file is None or file.reference in found:
            continue  # the node says what is missing
        reader = context.files.open(file)
        found[file.reference] = (file, reader)
        size += reader.size
        if size > MAX_FILES_BYTES or len(found) > MAX_FILES:
            raise NodeError(
                f"parameters.binary: the files of the first {index + 1} items have {size} bytes; a node run reads at"
                f" most {MAX_FILES} files of {MAX_FILES_BYTES} bytes together."
            )
    return list(found.values())


def _templates(value: Any) -> Iterator[str]:
    """Yield the strings in a JSON value that contain expressions."""
    if isinstance(value, str):
        if "{{" in value:
            yield value
    elif isinstance(value, dict | list):
        parts: Iterable[Any] = value.values() if isinstance(value, dict) else value
        for part in parts:
            yield from _templates(part)
