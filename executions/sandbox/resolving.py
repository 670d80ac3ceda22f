"""Templates with expressions, resolved in a sandbox process: what `evaluate` asks for. No Django."""

from __future__ import annotations

import time
from typing import Any

import orjson

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope


def run(parts: list[bytes]) -> list[bytes]:
    """Resolve templates, each in a context of its own.

    `parts` is a JSON head, `{seconds, in_all, memory, output}`, and a JSON list of questions, `{template, item_index,
    items, nodes, execution, workflow, vars}`. Returns a JSON list: for each `{value}` or `{error}`, or null for those
    that there was no time left for, or no room in the answer; never for the first.
    """
    head, questions = orjson.loads(parts[0]), orjson.loads(parts[1])
    answers: list[bytes] = []
    began = time.process_time()
    room = head["output"] - 8 * len(questions)
    for question in questions:
        if answers and (time.process_time() - began > head["in_all"] or room < 0):
            break
        answers.append(orjson.dumps(_resolved(question, head["seconds"], head["memory"])))
        room -= len(answers[-1])
        if room < 0 and len(answers) > 1:
            answers.pop()
    return [b"[" + b",".join([*answers, *[b"null"] * (len(questions) - len(answers))]) + b"]"]


def _resolved(question: dict[str, Any], seconds: float, memory: int) -> dict[str, Any]:
    nodes = {name: (lambda items=items: items) for name, items in question["nodes"].items()}
    scope = ExpressionScope(question["items"], nodes, question["execution"], question["workflow"], question["vars"])
    try:
        return {"value": Evaluator(scope, seconds, memory).resolve(question["template"], question["item_index"])}
    except ExpressionError as error:
        return {"error": str(error)}
