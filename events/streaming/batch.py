"""Consecutive events of a stream, from one message of the channel layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass
class EventBatch:
    """Consecutive events of a stream as JSON texts; every watcher of the stream in this process shares it."""

    stream: str
    first: int
    types: list[str]
    texts: list[str]
    workspaces: list[str | None] | None
    committed_at: float | None = None
    """When the process that wrote them had committed them, by its clock."""

    @property
    def last(self) -> int:
        return self.first + len(self.texts) - 1

    @cached_property
    def size(self) -> int:
        return sum(map(len, self.texts))
