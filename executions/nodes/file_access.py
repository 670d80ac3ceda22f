"""How node types read and make files (`$binary`). `executions.binaries` implements it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Protocol, Self
from uuid import UUID

from executions.domain.binaries import FileOfItem, files_of
from executions.domain.errors import NodeError
from executions.domain.items import Item
from workflow_platform.core.content.charsets import decode_document, split_content_type, without_nul


class FileWriter(Protocol):
    """A new file; if the `with` block ends without `complete`, it is deleted."""

    size: int

    @property
    def name(self) -> str: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def write(self, data: bytes) -> None:
        """Add to the content. Raises NodeError if the file becomes too large."""

    def complete(self) -> FileOfItem:
        """End the content. Raises NodeError if the execution has too many files."""


class FileReader(Protocol):
    """The content of a file. It is never wholly in memory."""

    size: int

    @property
    def name(self) -> str: ...

    @property
    def media_type(self) -> str: ...

    def seek(self, offset: int, whence: int = 0) -> int: ...

    def tell(self) -> int: ...

    def read(self, size: int = -1) -> bytes: ...

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the content in pieces."""


class FileStore(Protocol):
    """The files of the execution of a node run."""

    def create(self, name: str, media_type: str) -> FileWriter:
        """Begin a new file."""

    def open(self, file: FileOfItem) -> FileReader:
        """Open a file of the execution. Raises NodeError."""

    def remove(self, file: FileOfItem) -> None:
        """Remove a file that this node run has made."""


class FileInMemory(io.BytesIO):
    """A file in a sandbox process."""

    def __init__(self, name: str, media_type: str, content: bytes) -> None:
        super().__init__(content)
        self.name, self.media_type, self.size = name, media_type, len(content)

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the content."""
        yield self.getvalue()[begin:end]


class FilesInMemory:
    """The files that a sandbox process was given. It can make none."""

    def __init__(self, held: Mapping[UUID, FileInMemory] | None = None) -> None:
        self._held = held or {}

    def create(self, name: str, media_type: str) -> FileWriter:
        raise NodeError("Files cannot be made here.")

    def open(self, file: FileOfItem) -> FileReader:
        if file.reference not in self._held:
            raise NodeError(f"This execution has no file with the reference {file.reference}.")
        return self._held[file.reference]

    def remove(self, file: FileOfItem) -> None:
        raise NodeError("Files cannot be removed here.")


def file_of(item: Item, key: str, index: int, parameter: str = "binary") -> FileOfItem:
    """Return the file that an item has under a key. Raises NodeError that names the parameter and the item."""
    files = files_of(item)
    if key in files:
        return files[key]
    held = f"its files are {', '.join(repr(name) for name in list(files)[:10])}" if files else "it has no files"
    raise NodeError(f"parameters.{parameter}: the item has no file {key[:100]!r}; {held} (item {index}).")


def text_of_file(files: FileStore, item: Item, key: str, index: int, limit: int) -> str:
    """Return the text of the file that an item has under a key, by its charset. Raises NodeError if it is missing or
    has more than `limit` bytes."""
    file = files.open(file_of(item, key, index))
    if file.size > limit:
        raise NodeError(
            f"parameters.binary: the file {file.name!r} has {file.size} bytes; the limit is {limit} (item {index})."
        )
    media_type, charset = split_content_type(file.media_type)
    return without_nul(decode_document(b"".join(file.chunks()), media_type, charset))
