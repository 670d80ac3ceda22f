"""Resolves templates with expressions in a sandbox process, for `evaluate`. No Django."""

from __future__ import annotations

import time
from typing import Any

import orjson

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope


def run(parts: list[bytes]) -> list[bytes]:
    """Resolve templates, each in a separate context.

    `parts` is a JSON head, `{seconds, in_all, memory, output}`, and a JSON list of requests, `{template, item_index,
    items, nodes, execution, workflow, vars, surroundings, pairings}`. Returns a JSON list with `{value}` or `{error}`
    for each request, or null for those after the time or the output limit was reached; never for the first.
    """
    head, requests = orjson.loads(parts[0]), orjson.loads(parts[1])
    results: list[bytes] = []
    began = time.process_time()
    room = head["output"] - 8 * len(requests)
    for request in requests:
        if results and (time.process_time() - began > head["in_all"] or room < 0):
            break
        results.append(orjson.dumps(_resolve(request, head["seconds"], head["memory"])))
        room -= len(results[-1])
        if room < 0 and len(results) > 1:
            results.pop()
    return [b"[" + b",".join([*results, *[b"null"] * (len(requests) - len(results))]) + b"]"]


def _resolve(request: dict[str, Any], seconds: float, memory: int) -> dict[str, Any]:
    nodes = {name: (lambda items=items: items) for name, items in request["nodes"].items()}
    pairings = {name: (lambda made=made: made) for name, made in request["pairings"].items()}
    scope = ExpressionScope(
        request["items"],
        nodes,
        request["execution"],
        request["workflow"],
        request["vars"],
        request["surroundings"],
        pairings,
    )
    try:
        return {"value": Evaluator(scope, seconds, memory).resolve(request["template"], request["item_index"])}
    except ExpressionError as error:
        return {"error": str(error)}
