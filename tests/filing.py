"""Files in memory, for nodes that are run without a database."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Self
from uuid import UUID, uuid4

from executions.domain.binaries import FileOfItem, files_of, with_files


class HeldFile(io.BytesIO):
    def __init__(self, store: HeldFiles, name: str, media_type: str, content: bytes = b"") -> None:
        super().__init__(content)
        self._store, self.name, self.media_type, self.size = store, name, media_type, len(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return

    def complete(self) -> FileOfItem:
        return self._store.put(self.name, self.media_type, self.getvalue())

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        content = self.getvalue()[begin:end]
        yield from (content[at : at + 1000] for at in range(0, len(content), 1000))


class HeldFiles:
    """The `files` of a node's context."""

    def __init__(self) -> None:
        self.held: dict[UUID, tuple[FileOfItem, bytes]] = {}

    def put(self, name: str, media_type: str, content: bytes) -> FileOfItem:
        file = FileOfItem(name, media_type, len(content), uuid4())
        self.held[file.reference] = (file, content)
        return file

    def item(self, name: str, media_type: str, content: bytes, **fields: Any) -> dict[str, Any]:
        """Return an item with a file under the key `data`."""
        return with_files(fields, {"data": self.put(name, media_type, content)})

    def create(self, name: str, media_type: str) -> HeldFile:
        return HeldFile(self, name, media_type)

    def open(self, file: FileOfItem) -> HeldFile:
        held, content = self.held[file.reference]
        return HeldFile(self, held.name, held.media_type, content)

    def remove(self, file: FileOfItem) -> None:
        del self.held[file.reference]

    def content(self, item: dict[str, Any], key: str = "data") -> bytes:
        """Return the content of an item's file."""
        return self.held[files_of(item)[key].reference][1]
