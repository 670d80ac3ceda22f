"""How node types read and make files (`$binary`). `executions.binaries` implements it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self

from executions.domain.binaries import FileOfItem, files_of
from executions.domain.errors import NodeError
from executions.domain.items import Item


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


class NoFiles:
    """Where a node has no access to files: in sandbox processes."""

    def create(self, name: str, media_type: str) -> FileWriter:
        raise NodeError("Files cannot be made here.")

    def open(self, file: FileOfItem) -> FileReader:
        raise NodeError("Files cannot be read here.")

    def remove(self, file: FileOfItem) -> None:
        raise NodeError("Files cannot be removed here.")


def file_of(item: Item, key: str, index: int, parameter: str = "binary") -> FileOfItem:
    """Return the file that an item has under a key. Raises NodeError that names the parameter and the item."""
    files = files_of(item)
    if key in files:
        return files[key]
    held = f"its files are {', '.join(repr(name) for name in list(files)[:10])}" if files else "it has no files"
    raise NodeError(f"parameters.{parameter}: the item has no file {key[:100]!r}; {held} (item {index}).")
