"""Writes a new file, a chunk at a time. Nothing holds a transaction open between two chunks."""

from __future__ import annotations

import hashlib
from typing import Self
from uuid import UUID

from django.db import connection, transaction

from executions.binaries.limits import check_size, check_total
from executions.domain.binaries import FileOfItem, file_name, media_type
from executions.models import Binary, BinaryChunk, BinaryUse

CHUNK_BYTES = 256 * 1024


class BinaryWriter:
    """A file that is being written, in a `with` block: if it is not completed there, it is deleted.

    With `execution_id`, that execution may read it once it is complete; otherwise `adopt` lets one do so.
    """

    def __init__(self, workspace_id: UUID, name: str, type_: str, execution_id: UUID | None = None) -> None:
        self._execution_id = execution_id
        self._binary = Binary(workspace_id=workspace_id, name=file_name(name), media_type=media_type(type_))
        self._pending = bytearray()
        self._number = 0
        self._digest = hashlib.sha256()
        self._completed = False
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if not self._completed:
            self.discard()

    @property
    def name(self) -> str:
        return self._binary.name

    def write(self, data: bytes) -> None:
        """Add to the content. Raises BinaryLimitExceeded."""
        self.size += len(data)
        check_size(self.name, self.size)
        view = memoryview(data)
        while view:
            taken = view[: CHUNK_BYTES - len(self._pending)]
            self._pending += taken
            view = view[len(taken) :]
            if len(self._pending) == CHUNK_BYTES:
                self._flush()

    def complete(self) -> FileOfItem:
        """End the content. Raises BinaryLimitExceeded."""
        binary, execution_id = self._binary, self._execution_id
        self._flush()
        with transaction.atomic():
            if execution_id is not None:
                _one_at_a_time(execution_id)
                check_total(execution_id, self.name, self.size)
            binary.size, binary.sha256 = self.size, self._digest.digest()
            binary.save(force_insert=not self._number, update_fields=["size", "sha256"] if self._number else None)
            if execution_id is not None:
                BinaryUse.objects.create(execution_id=execution_id, binary=binary)
        self._completed = True
        return FileOfItem(binary.name, binary.media_type, self.size, binary.pk)

    def discard(self) -> None:
        """Delete what was written."""
        if self._number:
            with transaction.atomic():
                BinaryChunk.objects.filter(binary=self._binary).delete()
                Binary.objects.filter(pk=self._binary.pk).delete()

    def _flush(self) -> None:
        if not self._pending:
            return
        if not self._number:
            self._binary.save(force_insert=True)
        data = bytes(self._pending)
        self._pending.clear()
        self._digest.update(data)
        BinaryChunk.objects.bulk_create([BinaryChunk(binary=self._binary, number=self._number, data=data)])
        self._number += 1


def _one_at_a_time(execution_id: UUID) -> None:
    """Wait until no other transaction completes a file of the execution, so that its total is exact."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"binaries of {execution_id}"])
