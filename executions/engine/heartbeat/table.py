"""Shared memory of a worker and its companion, used without messages or locks.

The worker writes which leases it holds, when it last took a turn, and since when each execution's turn lasts. The
companion writes which leases were lost. Each field has one writer. A reader during a write sees a lease that does
not exist; the database does not renew it, and the next read is correct.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

_HEAD = 64
_SLOT = 64
_LEASE = struct.Struct("=16si")
_TIME = struct.Struct("=d")
_HELD, _TURN, _LOST = 20, 24, 32
"""Offsets in a slot; the lease is at its beginning."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A lease that is held. `turn_since` is when the execution's turn began, on the monotonic clock; 0: it has none."""

    slot: int
    execution_id: UUID
    fencing_token: int
    turn_since: float


class Table:
    """Times are of the monotonic clock, which is the same for all processes of a machine."""

    def __init__(self, descriptor: int, slots: int) -> None:
        self.descriptor, self.slots = descriptor, slots
        self._memory = mmap.mmap(descriptor, _HEAD + slots * _SLOT)

    @classmethod
    def create(cls, slots: int) -> Table:
        """Return an empty table in memory that can be shared with a child process."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("leases")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _HEAD + slots * _SLOT)
        return cls(descriptor, slots)

    # --- the worker writes -----------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """The worker has taken a turn."""
        _TIME.pack_into(self._memory, 0, now)

    def hold(self, slot: int, execution_id: UUID, fencing_token: int) -> None:
        """Start the renewal of the lease."""
        at = _HEAD + slot * _SLOT
        _TIME.pack_into(self._memory, at + _TURN, 0.0)
        _LEASE.pack_into(self._memory, at, execution_id.bytes, fencing_token)
        self._memory[at + _HELD] = 1

    def let_go(self, slot: int) -> None:
        """Stop the renewal of the lease."""
        self._memory[_HEAD + slot * _SLOT + _HELD] = 0

    def turn(self, slot: int, since: float) -> None:
        """The execution's turn began, or is over (0)."""
        _TIME.pack_into(self._memory, _HEAD + slot * _SLOT + _TURN, since)

    def is_lost(self, slot: int, execution_id: UUID, fencing_token: int) -> bool:
        """Return whether this lease was found lost."""
        lost: tuple[bytes, int] = _LEASE.unpack_from(self._memory, _HEAD + slot * _SLOT + _LOST)
        return lost == (execution_id.bytes, fencing_token)

    # --- the companion reads and writes ----------------------------------------------------------------------------

    def ticked_at(self) -> float:
        """Return when the worker last took a turn."""
        return float(_TIME.unpack_from(self._memory, 0)[0])

    def held(self) -> Iterator[Entry]:
        """Yield the leases that are held."""
        for slot in range(self.slots):
            at = _HEAD + slot * _SLOT
            if self._memory[at + _HELD]:
                raw, token = _LEASE.unpack_from(self._memory, at)
                (since,) = _TIME.unpack_from(self._memory, at + _TURN)
                yield Entry(slot, UUID(bytes=raw), token, since)

    def lost(self, entry: Entry) -> None:
        """Tell the worker that a lease is lost."""
        at = _HEAD + entry.slot * _SLOT + _LOST
        _LEASE.pack_into(self._memory, at, entry.execution_id.bytes, entry.fencing_token)
