"""Expressions for processes that run no JavaScript themselves, as web processes: evaluated in a sandbox process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from executions.domain.expressions import MEMORY_LIMIT_BYTES, TIME_LIMIT_SECONDS, ExpressionError, ExpressionScope
from workflow_platform.core.sandbox.asking import LONGEST_SECONDS, ask
from workflow_platform.core.sandbox.task import Task

OUTPUT_LIMIT_BYTES = 4 * 2**20
SECONDS_TOGETHER = 2.0
"""CPU seconds after which no further one of several questions is begun."""
SUBJECT = "The expression"


class _NotReached:
    """There was no time for a question, or no room for its answer: ask again."""


NOT_REACHED: Final = _NotReached()


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """A template, and what its expressions see."""

    template: str
    scope: ExpressionScope
    item_index: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values, with the outputs of those nodes only that the template names."""
        scope = self.scope
        return {
            "template": self.template,
            "item_index": self.item_index,
            "items": scope.items,
            "nodes": scope.named_in(self.template),
            "execution": scope.execution,
            "workflow": scope.workflow,
            "vars": scope.vars,
        }


def evaluate_all(
    questions: Sequence[EvaluationRequest],
    *,
    group: str,
    time_limit: float = TIME_LIMIT_SECONDS,
    seconds: float = LONGEST_SECONDS,
) -> list[Any]:
    """Return for each question its value, an ExpressionError, or NOT_REACHED; the first is always reached.

    `group` is the workspace that asks, `time_limit` in CPU seconds for each expression, `seconds` of wall clock for the
    answer. Not for use within a transaction. Raises Unavailable if there is no answer now.
    """
    if not questions:
        return []
    task = _task(questions, time_limit)
    reply = ask(task, SUBJECT, group=group, seconds=seconds)
    if not reply.failure:
        return [_answer(each) for each in orjson.loads(reply.parts[0])]
    if len(questions) == 1:
        return [ExpressionError(reply.explain(task, SUBJECT))]
    # One of them exceeded the limits: run the first by itself to find out whether it was that one.
    (first,) = evaluate_all(questions[:1], group=group, time_limit=time_limit, seconds=seconds)
    return [first, *[NOT_REACHED] * (len(questions) - 1)]


def _task(questions: Sequence[EvaluationRequest], time_limit: float) -> Task:
    head = {
        "seconds": time_limit,
        "in_all": SECONDS_TOGETHER,
        "memory": MEMORY_LIMIT_BYTES,
        "output": OUTPUT_LIMIT_BYTES,
    }
    return Task(
        "executions.sandbox.resolving:run",
        [orjson.dumps(head), orjson.dumps([each.as_dict() for each in questions])],
        SECONDS_TOGETHER + time_limit,
        MEMORY_LIMIT_BYTES,
        OUTPUT_LIMIT_BYTES,
    )


def _answer(told: dict[str, Any] | None) -> Any:
    if told is None:
        return NOT_REACHED
    return ExpressionError(told["error"]) if "error" in told else told["value"]
