"""The requests and replies of the functions that run in sandbox processes. No Django."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from executions.domain.errors import NodeError
from executions.domain.items import Item, NotStorable, chunks_of, sample_of

Options = dict[str, Any]
Function = Callable[[list[bytes]], list[bytes]]


def extracts(work: Callable[[bytes, Options], Iterable[Item]]) -> Function:
    """Make a function that turns content into items a task: options and content in, a head and JSON arrays out."""

    def run(parts: list[bytes]) -> list[bytes]:
        try:
            items = list(work(parts[1], orjson.loads(parts[0])))
            chunks, counts = chunks_of(items)
        except (NodeError, NotStorable) as error:
            return [orjson.dumps({"error": str(error)})]
        return [orjson.dumps({"counts": counts, "sample": sample_of(items)}), *chunks]

    return run


def makes(work: Callable[[list[Item], Options], bytes]) -> Function:
    """Make a function that turns items into content a task: options and JSON arrays in, a head and the content out."""

    def run(parts: list[bytes]) -> list[bytes]:
        items = [item for part in parts[1:] for item in orjson.loads(part)]
        try:
            return [b"{}", work(items, orjson.loads(parts[0]))]
        except NodeError as error:
            return [orjson.dumps({"error": str(error)})]

    return run
