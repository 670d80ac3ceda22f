"""One attempt of a node run: the node type's work, what it gave, and what it cost. Nothing is written here."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from executions.domain.errors import NodeError
from executions.domain.expressions import TooMuchHere
from executions.domain.graph import Node
from executions.domain.items import Items, NotStorable, joined, pack, sample_of
from executions.nodes.base import Cost, NodeContext, NodeResult, NodeType
from workflow_platform.core.secrets.secret_names import masked_text

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """How an attempt ended: a result or an error, with what it cost."""

    result: NodeResult | None
    error: Exception | None
    duration_ms: float
    cpu_ms: float = 0
    memory_bytes: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of JSON of each output of the result."""


def attempt(
    node: Node,
    node_type: NodeType[Any],
    inputs: dict[str, Items],
    make_context: Callable[[], NodeContext[Any]],
    run: Callable[[NodeContext[Any]], NodeResult] | None = None,
) -> Outcome:
    """Run the node once, or hand its items through if it is disabled. Whatever it raises is in the outcome, but for
    TooMuchHere.

    `run` is what runs it, by default the node type itself.
    """
    run = run or node_type.perform
    began, cpu, memory = time.perf_counter(), time.thread_time(), _peak_memory()
    result, error, elsewhere, sizes = None, None, Cost(), dict[str, int]()
    try:
        if node.disabled:
            result = _handed_through(node, node_type, inputs)
        else:
            context = make_context()
            elsewhere = context.cost
            result = run(context)
        result.outputs, sizes = packed(result.outputs)
    except TooMuchHere:
        raise
    except Exception as raised:
        result = None
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
        sizes,
    )


def _handed_through(node: Node, node_type: NodeType[Any], inputs: dict[str, Items]) -> NodeResult:
    outputs = node_type.output_names(node.parameters)
    items = joined(list(inputs.values()))
    return NodeResult({outputs[0]: items} if outputs else {})


def _peak_memory() -> int:
    """Return the most memory that this process has used so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def packed(outputs: Mapping[str, Items]) -> tuple[dict[str, Items], dict[str, int]]:
    """Return the outputs as they travel, and the size of each in bytes of JSON. Raises NodeError if they cannot be
    kept."""
    made, sizes = dict[str, Items](), dict[str, int]()
    for name, items in outputs.items():
        try:
            made[name], sizes[name] = pack(items)
        except TypeError as error:
            raise NodeError(f"The output is not JSON: {error}.") from None
        except NotStorable as error:
            raise NodeError(str(error)) from None
    if (size := sum(sizes.values())) > settings.NODE_OUTPUT_MAX_BYTES:
        raise NodeError(f"The output has {size} bytes; at most {settings.NODE_OUTPUT_MAX_BYTES} are allowed.")
    return made, sizes


def check_total(already: int, size: int) -> None:
    """Check that an execution whose node runs put out `already` bytes may put out `size` more. Raises NodeError."""
    if already + size > settings.EXECUTION_OUTPUT_MAX_BYTES:
        raise NodeError(
            f"With these {size} bytes the node runs of the execution would have put out {already + size} bytes; "
            f"at most {settings.EXECUTION_OUTPUT_MAX_BYTES} are allowed."
        )


def preview(outputs: Mapping[str, Items]) -> list[Any] | None:
    """Return the first items, if they are small and previews are wanted."""
    return sample_of(next(iter(outputs.values()), [])) if settings.EVENT_PREVIEWS else None


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
