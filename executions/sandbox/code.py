"""The code of a `code` node as a task for a sandbox process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from executions.domain.expressions import ExpressionScope
from executions.domain.items import Items, PackedItems, fragment
from executions.sandbox.code_items import items_of
from workflow_platform.core.sandbox.pool import Pool, sandbox
from workflow_platform.core.sandbox.task import Reply, Task

LOGS_BYTES = 4 * 2**20
"""Room for the log lines beside the output."""


@dataclass(frozen=True, slots=True)
class CodeCall:
    """Code to run over a scope, with its limits. `each`: once for each item, else once for all."""

    code: str
    scope: ExpressionScope
    mode: Literal["all", "each"]
    time_limit: float
    """CPU seconds for all items together."""
    memory_limit: int
    output_limit: int

    def task(self) -> Task:
        """Return the task: of the outputs of other nodes it takes only those that the code names."""
        scope = self.scope
        words = {
            "__items": scope.items,
            "$execution": scope.execution,
            "$workflow": scope.workflow,
            "$vars": scope.vars,
        }
        nodes = scope.named_in(self.code)
        head = {
            "each": len(scope.items) if self.mode == "each" else -1,
            "time_limit": self.time_limit,
            "memory_limit": self.memory_limit,
            "output_limit": self.output_limit,
            "words": list(words),
            "nodes": list(nodes),
        }
        values = (*words.values(), *nodes.values())
        return Task(
            "executions.sandbox.evaluation:run",
            [orjson.dumps(head), self.code.encode(), *(orjson.dumps(value, default=fragment) for value in values)],
            self.time_limit,
            self.memory_limit,
            self.output_limit + LOGS_BYTES,
        )


@dataclass(slots=True)
class CodeResult:
    """What a call gave: a JSON value or an error, with what it logged and what it cost the sandbox process."""

    value: Any = None
    packed: PackedItems | None = None
    """The items, instead of a value, where they are large."""
    error: str | None = None
    retryable: bool = False
    logs: list[tuple[str, str]] = field(default_factory=list)
    """Level and message."""
    dropped: int = 0
    """Lines beyond those that are kept."""
    cpu_ms: float = 0
    memory_bytes: int = 0

    def items(self) -> Items:
        """Return what the code returned, as items. Raises NotItems."""
        return items_of(self.value) if self.packed is None else self.packed


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
    answer = CodeResult(retryable=reply.retryable, cpu_ms=reply.cpu_ms, memory_bytes=reply.memory_bytes)
    if reply.failure:
        answer.error = reply.explain(task, "The code")
    else:
        _read(answer, reply, call)
    return answer


def _read(answer: CodeResult, reply: Reply, call: CodeCall) -> None:
    head, *parts = reply.parts
    told = orjson.loads(head)
    answer.logs = [(level, message) for level, message in told["logs"]]
    answer.dropped = told["dropped"]
    if told["kind"]:
        answer.error = _said(told, call)
        return
    if (counts := told.get("counts")) is not None:
        answer.packed = PackedItems(parts, counts, told["sample"])
        return
    try:
        answer.value = orjson.loads(parts[0])
    except orjson.JSONDecodeError as error:
        answer.error = f"The code returned what is not JSON: {error}."


def _said(told: dict[str, Any], call: CodeCall) -> str:
    """Return an error for the person who wrote the code: the limit that was hit, or what was thrown, and where."""
    places = [f"line {told['line']}"] if told.get("line") else []
    places += [f"item {told['item']}"] if told.get("item", -1) >= 0 else []
    where = f" ({', '.join(places)})" if places else ""
    match told["kind"]:
        case "time":
            return f"The code took longer than {call.time_limit:g} s of CPU time{where}."
        case "memory":
            return f"The code needs more than {call.memory_limit // 2**20} MiB of memory{where}."
        case "output":
            return f"{told['error']}; at most {call.output_limit} are allowed."
        case "items":
            return str(told["error"])
        case _:
            return f"{told['error']}{where}"
