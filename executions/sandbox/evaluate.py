"""Evaluates expressions in a sandbox process, for processes that run no JavaScript, such as web processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from executions.domain.expressions import MEMORY_LIMIT_BYTES, TIME_LIMIT_SECONDS, ExpressionError, ExpressionScope
from workflow_platform.core.sandbox.short_tasks import LONGEST_SECONDS, run_short_task
from workflow_platform.core.sandbox.task import Task

OUTPUT_LIMIT_BYTES = 4 * 2**20
SECONDS_TOGETHER = 2.0
"""CPU seconds after which no further request of a batch is evaluated."""
SUBJECT = "The expression"


class _NotReached:
    """The time or the output limit of the batch was used up before this request: send it again."""


NOT_REACHED: Final = _NotReached()


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """A template and the scope of its expressions."""

    template: str
    scope: ExpressionScope
    item_index: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values. It contains the outputs of only those nodes that the template names."""
        scope = self.scope
        return {
            "template": self.template,
            "item_index": self.item_index,
            "items": scope.items,
            "nodes": scope.named_in(self.template),
            "execution": scope.execution,
            "workflow": scope.workflow,
            "vars": scope.vars,
            "surroundings": scope.surroundings_in(self.template),
            "pairings": scope.paired_in(self.template),
        }


def evaluate_all(
    evaluations: Sequence[EvaluationRequest],
    *,
    group: str,
    time_limit: float = TIME_LIMIT_SECONDS,
    seconds: float = LONGEST_SECONDS,
) -> list[Any]:
    """Return the value of each request, an ExpressionError, or NOT_REACHED; the first is always reached.

    `group` is the workspace, `time_limit` the CPU seconds for each expression, `seconds` the wall-clock time for the
    batch. Not for use within a transaction. Raises Unavailable if the sandbox does not respond in time.
    """
    if not evaluations:
        return []
    task = _task(evaluations, time_limit)
    reply = run_short_task(task, SUBJECT, group=group, seconds=seconds)
    if not reply.failure:
        return [_value(each) for each in orjson.loads(reply.parts[0])]
    if len(evaluations) == 1:
        return [ExpressionError(reply.explain(task, SUBJECT))]
    # One request exceeded the limits: evaluate the first by itself to find out whether it was that one.
    (first,) = evaluate_all(evaluations[:1], group=group, time_limit=time_limit, seconds=seconds)
    return [first, *[NOT_REACHED] * (len(evaluations) - 1)]


def _task(evaluations: Sequence[EvaluationRequest], time_limit: float) -> Task:
    head = {
        "seconds": time_limit,
        "in_all": SECONDS_TOGETHER,
        "memory": MEMORY_LIMIT_BYTES,
        "output": OUTPUT_LIMIT_BYTES,
    }
    return Task(
        "executions.sandbox.resolving:run",
        [orjson.dumps(head), orjson.dumps([each.as_dict() for each in evaluations])],
        SECONDS_TOGETHER + time_limit,
        MEMORY_LIMIT_BYTES,
        OUTPUT_LIMIT_BYTES,
    )


def _value(result: dict[str, Any] | None) -> Any:
    if result is None:
        return NOT_REACHED
    return ExpressionError(result["error"]) if "error" in result else result["value"]
