"""Sends a file to a client, as fast as the client takes it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from executions.binaries.reading import BinaryReader
from workflow_platform.core.database_threads import in_database


async def streamed(file: BinaryReader, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    """Yield the content. The next chunk is read when the client has taken the last one."""
    content = file.chunks(begin, end)
    while piece := await in_database(next, content, b""):
        yield piece
