"""Runs the code of a `code` node in a sandbox process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from executions.domain.attributes import MAX_ATTRIBUTES, MAX_KEY, MAX_VALUE
from executions.domain.error_texts import DEPTH_ERROR
from executions.domain.expressions import ExpressionScope
from executions.domain.items import Items, PackedItems, fragment
from executions.domain.lineage import MAX_ORIGINS, Lineage, Origins
from executions.domain.node_references import with_node_names
from executions.domain.words import CUSTOM_DATA, STATIC_DATA, uses_custom_data
from executions.sandbox.code_items import items_of, origins_of
from workflow_platform.core import exact_json
from workflow_platform.core.sandbox.pool import Pool, sandbox
from workflow_platform.core.sandbox.task import Reply, Task

ORIGINS_BYTES = 8 * MAX_ORIGINS
"""The bytes for the origins of the items besides the output."""
LOGS_BYTES = 4 * 2**20
"""The bytes for log lines besides the output."""


@dataclass(frozen=True, slots=True)
class CodeCall:
    """Code to run over a scope, with its limits. Mode `each`: once for each item; `all`: once for all items."""

    code: str
    scope: ExpressionScope
    mode: Literal["all", "each"]
    time_limit: float
    """CPU seconds for all items together."""
    memory_limit: int
    output_limit: int
    static_data: Mapping[str, Any] | None = None
    """The static data that the code may read: `global` and `node`."""
    tolerant: bool = False
    """In mode `each`: go on after an item that fails."""

    def task(self) -> Task:
        """Return the task. It contains the outputs of only those nodes that the code names."""
        scope = self.scope
        words = {
            "__items": scope.items,
            "$execution": scope.execution,
            "$workflow": scope.workflow,
            "$vars": scope.vars,
            "__pairs": scope.paired_in(self.code),
        }
        surroundings = scope.surroundings_in(self.code)
        if "about" in surroundings:
            words["__about"] = surroundings.pop("about")
        if self.static_data is not None:
            words[STATIC_DATA] = self.static_data
        if uses_custom_data(self.code):
            words[CUSTOM_DATA] = {"count": MAX_ATTRIBUTES, "key": MAX_KEY, "value": MAX_VALUE}
        nodes = scope.named_in(self.code)
        head = {
            "items": len(scope.items),
            "each": len(scope.items) if self.mode == "each" else -1,
            "tolerant": self.tolerant and self.mode == "each",
            "time_limit": self.time_limit,
            "memory_limit": self.memory_limit,
            "output_limit": self.output_limit,
            "words": list(words),
            "nodes": list(nodes),
            "surroundings": surroundings,
        }
        values = (*words.values(), *nodes.values())
        return Task(
            "executions.sandbox.evaluation:run",
            [orjson.dumps(head), self.code.encode(), *(orjson.dumps(value, default=fragment) for value in values)],
            self.time_limit,
            self.memory_limit,
            self.output_limit + LOGS_BYTES + ORIGINS_BYTES,
        )


@dataclass(slots=True)
class CodeResult:
    """The result of a call: a JSON value or an error, with its log lines and the resources used."""

    value: Any = None
    packed: PackedItems | None = None
    """The items, instead of a value, if they are large."""
    inputs: int = 0
    """The number of input items."""
    each: bool = False
    """Whether the code ran for each item."""
    passed: list[int | None] = field(default_factory=list)
    """For each item of the value, the index of the input item that it is; None: it is none."""
    packed_origins: Origins | None = None
    """The origins of the packed items; None: unknown."""
    failures: list[tuple[int, str]] = field(default_factory=list)
    """The input items that failed, with their errors."""
    static_data: dict[str, Any] = field(default_factory=dict)
    """The static data that the code read, as it left it."""
    custom_data: dict[str, str] = field(default_factory=dict)
    """What the code set in `$execution.customData`."""
    error: str | None = None
    retryable: bool = False
    logs: list[tuple[str, str]] = field(default_factory=list)
    """Level and message."""
    dropped: int = 0
    """The number of log lines beyond the limit."""
    cpu_ms: float = 0
    memory_bytes: int = 0

    def items(self) -> Items:
        """Return the value as items. Raises NotItems."""
        return items_of(self.value) if self.packed is None else self.packed

    def lineage(self) -> Lineage:
        """Return which input items the items came from. Call it after `items`."""
        origins = self.packed_origins
        if self.packed is None:
            origins = origins_of(self.value, self.passed, self.inputs, each=self.each)
        return {} if origins is None else {"main": origins}


def run(
    call: CodeCall,
    *,
    group: str = "",
    queue: str = "",
    cancelled: threading.Event | None = None,
    pool: Pool | None = None,
) -> CodeResult:
    """Run the call in a sandbox process. Raises Cancelled."""
    task = call.task()
    reply = (pool or sandbox()).run(task, group=group, queue=queue, cancelled=cancelled)
    inputs = len(call.scope.items)
    result = CodeResult(retryable=reply.retryable, cpu_ms=reply.cpu_ms, memory_bytes=reply.memory_bytes)
    result.inputs, result.each = inputs, call.mode == "each"
    if reply.failure:
        result.error = reply.explain(task, "The code")
    else:
        _read(result, reply, call)
    return result


def _read(result: CodeResult, reply: Reply, call: CodeCall) -> None:
    head, *parts = reply.parts
    state = orjson.loads(head)
    result.logs = [(level, message) for level, message in state["logs"]]
    result.dropped = state["dropped"]
    names = call.scope.surroundings.get("names")
    result.failures = [
        (item, f"{with_node_names(error, names)} ({f'line {line}, ' if line else ''}item {item})")
        for item, error, line in state["failures"]
    ]
    if state["kind"]:
        result.error = _error_message(state, call)
        return
    result.static_data, result.custom_data = state.get("static_data", {}), state.get("custom_data", {})
    if (counts := state.get("counts")) is not None:
        result.packed, result.packed_origins = PackedItems(parts, counts, state["sample"]), state["origins"]
        return
    result.passed = state["origins"]
    try:
        result.value = exact_json.read(parts[0])
    except exact_json.NotJson as error:
        problem = DEPTH_ERROR if str(error).startswith("depth limit") else str(error)
        result.error = f"The code returned a value that is not JSON: {problem}."


def _error_message(state: dict[str, Any], call: CodeCall) -> str:
    """Return the error message for the author of the code: the limit or the exception, with its line and item."""
    places = [f"line {state['line']}"] if state.get("line") else []
    places += [f"item {state['item']}"] if state.get("item", -1) >= 0 else []
    where = f" ({', '.join(places)})" if places else ""
    match state["kind"]:
        case "time":
            return f"The code took longer than {call.time_limit:g} s of CPU time{where}."
        case "memory":
            return f"The code needs more than {call.memory_limit // 2**20} MiB of memory{where}."
        case "output":
            return f"{state['error']}; at most {call.output_limit} are allowed."
        case "items":
            return str(state["error"])
        case _:
            return f"{with_node_names(str(state['error']), call.scope.surroundings.get('names'))}{where}"
