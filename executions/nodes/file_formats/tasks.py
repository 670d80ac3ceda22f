"""Runs the functions of this package in sandbox processes, which get the content of a file a piece at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings

from executions.domain.errors import NodeError
from executions.domain.items import Items, PackedItems, chunks_of
from executions.nodes.base import NodeContext
from executions.nodes.file_access import FileReader
from workflow_platform.core.sandbox.frames import Part, StreamedPart
from workflow_platform.core.sandbox.pool import sandbox
from workflow_platform.core.sandbox.task import Reply, Task, TaskCancelled

MAX_BYTES = 32 * 2**20
"""The largest file that is parsed. The process holds it in memory several times."""
HEAD_BYTES = 64 * 1024
PACKAGE = "executions.nodes.file_formats"


def extract(context: NodeContext[Any], function: str, file: FileReader, options: Mapping[str, Any]) -> Items:
    """Return the items that `module:function` of this package finds in a file. Raises NodeError."""
    if file.size > MAX_BYTES:
        raise NodeError(f"The file {file.name!r} has {file.size} bytes; a file of at most {MAX_BYTES} can be parsed.")
    reply = _run(context, function, [orjson.dumps(options), StreamedPart(file.size, file.chunks)], repr(file.name))
    head = orjson.loads(reply.parts[0])
    if "error" in head:
        raise NodeError(f"{file.name!r}: {head['error']}")
    return PackedItems(reply.parts[1:], head["counts"], head["sample"])


def make(context: NodeContext[Any], function: str, items: Items, options: Mapping[str, Any]) -> bytes:
    """Return the content that `module:function` of this package makes of items. Raises NodeError."""
    chunks, _ = chunks_of(items)
    reply = _run(context, function, [orjson.dumps(options), *chunks], "the file")
    if "error" in (head := orjson.loads(reply.parts[0])):
        raise NodeError(head["error"])
    return reply.parts[1]


def _run(context: NodeContext[Any], function: str, parts: list[Part], what: str) -> Reply:
    task = Task(
        f"{PACKAGE}.{function}",
        parts,
        settings.NODE_CPU_SECONDS,
        settings.NODE_MEMORY_MB * 2**20,
        settings.NODE_OUTPUT_MAX_BYTES + HEAD_BYTES,
    )
    queue = str(context.evaluator.scope.execution.get("id", ""))
    try:
        reply = sandbox().run(task, group=context.workspace, queue=queue, cancelled=context.cancelled)
    except TaskCancelled:
        raise NodeError("Cancelled.") from None
    if reply.failure == "lost" and "SIGABRT" in reply.detail:
        reply.failure = "memory"  # native code ends its process when there is no more memory
    if reply.failure == "output":
        limit = f"at most {settings.NODE_OUTPUT_MAX_BYTES} are allowed (NODE_OUTPUT_MAX_BYTES)"
        raise NodeError(f"The result for {what} has {reply.detail} bytes; {limit}.")
    if reply.failure:
        raise NodeError(reply.explain(task, f"The work on {what}"), retryable=reply.retryable)
    return reply
