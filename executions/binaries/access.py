"""The files of an execution: only those that it uses."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from executions.binaries.reading import BinaryReader
from executions.binaries.writing import BinaryWriter
from executions.domain.binaries import FileOfItem
from executions.domain.errors import NodeError
from executions.models import Binary, BinaryUse


class NoSuchBinary(NodeError):
    """The execution has no file with this reference."""


def find(execution_id: UUID, reference: UUID) -> Binary:
    """Return a complete file that the execution uses. Raises NoSuchBinary."""
    binary = Binary.objects.filter(pk=reference, uses__execution=execution_id, size__isnull=False).first()
    if binary is None:
        raise NoSuchBinary(f"This execution has no file with the reference {reference}.")
    return binary


@dataclass(frozen=True, slots=True)
class FilesOfExecution:
    """The files that the nodes of an execution read and make: `executions.nodes.file_access.FileStore`."""

    workspace_id: UUID
    execution_id: UUID

    def create(self, name: str, media_type: str) -> BinaryWriter:
        """Begin a new file. Use it in a `with` block: a file that is not completed there is deleted."""
        return BinaryWriter(self.workspace_id, name, media_type, self.execution_id)

    def open(self, file: FileOfItem) -> BinaryReader:
        """Open a file that an item names. Raises NoSuchBinary."""
        return BinaryReader(find(self.execution_id, file.reference))

    def remove(self, file: FileOfItem) -> None:
        """Remove a file that a node run has made, because the node run fails. Its content goes if nothing else uses
        it."""
        with transaction.atomic():
            BinaryUse.objects.filter(execution=self.execution_id, binary=file.reference).delete()
            Binary.objects.filter(pk=file.reference, workspace=self.workspace_id, uses=None).delete()
