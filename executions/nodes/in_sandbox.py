"""Runs a node, or resolves its parameters, in a sandbox process. No Django.

`executions.engine.sandbox_runner` makes the requests: a JSON head, then the JSON arrays that it names.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from typing import Any
from uuid import UUID

import orjson

from executions.domain.errors import ExpressionPlace, NodeError
from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.domain.graph import Node
from executions.domain.items import Items, NotStorable, PackedItems, chunks_of, main_of, pack, sample_of
from executions.domain.lineage import limited
from executions.nodes.base import NodeContext, NodeResult, NodeType
from executions.nodes.file_access import FileInMemory, FilesInMemory
from workflow_platform.core import exact_json

LOG_LINES = 100


def run(parts: list[bytes]) -> list[bytes]:
    """Run the node. Returns a JSON head with the outputs' names and counts, or the error; then chunks and lineage."""
    request = _Request(parts)
    node_type: NodeType[Any] = getattr(import_module(request.head["module"]), request.head["class"])()
    logs: list[tuple[str, str]] = []
    context: NodeContext[Any] = NodeContext(
        node=Node.model_validate(request.head["node"]),
        parameters_type=node_type.Parameters,
        inputs=request.inputs,
        evaluator=Evaluator(request.scope()),
        idempotency_key="",
        log=lambda level, message: logs.append((level, message)),
        files=request.files,
    )
    context.outcomes.begin(request.head["attempt"])
    if (resolved := request.head["resolved"]) is not None:
        context.resolved = {n: node_type.Parameters.model_validate(value) for n, value in enumerate(resolved)}
    failed = True
    try:
        head, chunks = _encoded(node_type.run(context), request.head["lineage_bytes"])
        failed = False
    except NodeError as error:
        head, chunks = {"error": str(error), "retryable": error.retryable, "place": _place(error.expression)}, []
    except NotStorable as error:
        head, chunks = {"error": str(error), "retryable": False}, []
    except MemoryError:
        raise
    except Exception as error:
        head, chunks = {"bug": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}, []
    head |= {"logs": logs[:LOG_LINES], "parameters": context.used.raw(failed=failed)}
    return [exact_json.write(head), *chunks]


def _place(place: ExpressionPlace | None) -> dict[str, Any] | None:
    return None if place is None else asdict(place)


def _encoded(result: NodeResult, lineage_bytes: int) -> tuple[dict[str, Any], list[bytes]]:
    """Encode a result: the head, the chunks of its outputs, and its lineage, or none if that is larger than
    `lineage_bytes`. Raises NodeError, NotStorable."""
    outputs, chunks = list[dict[str, Any]](), list[bytes]()
    for name, items in result.outputs.items():
        try:
            items, _ = pack(items)
            texts, counts = chunks_of(items)
        except TypeError as error:
            raise NodeError(f"The output is not JSON: {error}.") from None
        outputs.append({"name": name, "counts": counts, "sample": sample_of(items)})
        chunks += texts
    counted = {name: len(items) for name, items in result.outputs.items()}
    lineage = orjson.dumps(limited(result.lineage, counted))
    chunks.append(lineage if len(lineage) <= lineage_bytes else b"{}")
    head = {"outputs": outputs, "keep_open": result.keep_open, "failed_items": result.failed_items}
    item_error = None if result.error is None else asdict(result.error)
    return head | {"item_error": item_error, "all_failed": result.all_failed}, chunks


def resolve(parts: list[bytes]) -> list[bytes]:
    """Evaluate the expressions of a value for a range of items, up to the first that fails. Returns one JSON text per
    item: `{"value": …}` or `{"error": …, "path": …}`."""
    request = _Request(parts)
    evaluator = Evaluator(request.scope())
    answers = list[bytes]()
    for index in range(request.head["first"], request.head["end"]):
        try:
            answers.append(orjson.dumps({"value": evaluator.resolve(request.head["value"], index)}))
        except ExpressionError as error:
            place = {"source": error.source, "line": error.line, "column": error.column, "path": error.path}
            answers.append(orjson.dumps({"error": str(error), "place": place}))
            break
    return answers


class _Request:
    """A request, decoded from its parts."""

    def __init__(self, parts: list[bytes]) -> None:
        self.head: dict[str, Any] = orjson.loads(parts[0])
        arrays = iter(parts[1:])
        self.inputs = {entry["name"]: _items(entry["counts"], arrays) for entry in self.head["inputs"]}
        self.nodes = dict[str, Items]()
        for entry in self.head["nodes"]:
            self.nodes |= dict.fromkeys(entry["names"], _items(entry["counts"], arrays))
        self.files = FilesInMemory({
            UUID(entry["reference"]): FileInMemory(entry["name"], entry["media_type"], next(arrays))
            for entry in self.head["files"]
        })  # fmt: skip

    def scope(self) -> ExpressionScope:
        """Return the scope of the expressions."""
        words = self.head["words"]
        nodes = {name: (lambda items=items: items) for name, items in self.nodes.items()}
        pairings = {name: (lambda made=made: made) for name, made in self.head["pairings"].items()}
        return ExpressionScope(
            main_of(self.inputs),
            nodes,
            words["execution"],
            words["workflow"],
            words["vars"],
            words["surroundings"],
            pairings,
        )


def _items(counts: list[int], arrays: Iterator[bytes]) -> Items:
    return PackedItems([next(arrays) for _ in counts], counts, [])
