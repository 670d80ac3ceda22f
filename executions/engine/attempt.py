"""One attempt of a node run: the node type's work, what it gave, and what it cost. Nothing is written here."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings

from executions.graph import Node
from executions.nodes.base import Cost, Items, NodeContext, NodeError, NodeResult, NodeType
from workflow_platform.secret_names import masked_text

logger = logging.getLogger(__name__)

PREVIEW_ITEMS = 3
PREVIEW_BYTES = 2_000


@dataclass(slots=True)
class Outcome:
    """How an attempt ended: a result or an error, with what it cost."""

    result: NodeResult | None
    error: Exception | None
    duration_ms: float
    cpu_ms: float = 0
    memory_bytes: int = 0


def attempt(
    node: Node,
    node_type: NodeType[Any],
    inputs: dict[str, Items],
    make_context: Callable[[], NodeContext[Any]],
    run: Callable[[NodeContext[Any]], NodeResult] | None = None,
) -> Outcome:
    """Run the node once, or hand its items through if it is disabled. Whatever it raises is in the outcome.

    `run` is what runs it, by default the node type itself.
    """
    run = run or node_type.perform
    began, cpu, memory = time.perf_counter(), time.thread_time(), _peak_memory()
    result, error, elsewhere = None, None, Cost()
    try:
        if node.disabled:
            result = _handed_through(node, node_type, inputs)
        else:
            context = make_context()
            elsewhere = context.cost
            result = run(context)
    except Exception as raised:
        if not isinstance(raised, NodeError):
            logger.exception("node %s raised", node.id)
        error = raised
    return Outcome(
        result,
        error,
        round((time.perf_counter() - began) * 1000, 3),
        round((time.thread_time() - cpu) * 1000 + elsewhere.cpu_ms, 3),
        # Of a node whose work is done elsewhere, this process's growth is what others in it did meanwhile.
        elsewhere.memory_bytes or max(0, _peak_memory() - memory),
    )


def _handed_through(node: Node, node_type: NodeType[Any], inputs: dict[str, Items]) -> NodeResult:
    outputs = node_type.output_names(node.parameters)
    items = [item for received in inputs.values() for item in received]
    return NodeResult({outputs[0]: items} if outputs else {})


def _peak_memory() -> int:
    """Return the most memory that this process has used so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def encoded(outputs: dict[str, Items], already: int = 0) -> dict[str, int]:
    """Return the size of each output as JSON, in bytes; the execution has `already` so many of other node runs.

    Raises NodeError if they cannot be kept.
    """
    sizes = {}
    for name, items in outputs.items():
        try:
            text = orjson.dumps(items)
        except TypeError as error:
            raise NodeError(f"The output is not JSON: {error}.") from None
        if b"\\u0000" in text:
            raise NodeError("The output holds the character U+0000, which cannot be stored.")
        sizes[name] = len(text)
    if (size := sum(sizes.values())) > settings.NODE_OUTPUT_MAX_BYTES:
        raise NodeError(f"The output has {size} bytes; at most {settings.NODE_OUTPUT_MAX_BYTES} are allowed.")
    if already + size > settings.EXECUTION_OUTPUT_MAX_BYTES:
        raise NodeError(
            f"With these {size} bytes the node runs of the execution would have put out {already + size} bytes; "
            f"at most {settings.EXECUTION_OUTPUT_MAX_BYTES} are allowed."
        )
    return sizes


def preview(outputs: dict[str, Items]) -> list[Any] | None:
    """Return the first items, if they are small and previews are wanted."""
    if not settings.EVENT_PREVIEWS:
        return None
    items = next(iter(outputs.values()), [])[:PREVIEW_ITEMS]
    while items and len(orjson.dumps(items)) > PREVIEW_BYTES:
        items = items[:-1]
    return items


def error_data(error: Exception, node: Node) -> dict[str, Any]:
    """Return an error as events and rows keep it."""
    known = isinstance(error, NodeError)
    message = str(error) if known else f"{type(error).__name__}: {error}"
    return {
        "type": type(error).__name__,
        "message": masked_text(message[:5000]),
        "node": node.id,
        "retryable": isinstance(error, NodeError) and error.retryable,
    }
