"""The clock of a replay. Pure. Offsets are milliseconds since the first event, at the original pace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Clock:
    """A playhead that was at an offset at one moment and has moved since then, unless it is paused."""

    anchor_at: datetime
    anchor_offset_ms: float
    anchor_sequence: int
    """The last event that was due then: several may have the same offset."""
    speed: float
    paused: bool

    def offset_ms(self, now: datetime) -> float:
        """Return the offset of the playhead; it may be beyond the last event."""
        if self.paused:
            return self.anchor_offset_ms
        passed = max(0.0, (now - self.anchor_at).total_seconds())
        return self.anchor_offset_ms + passed * 1000 * self.speed

    def is_due(self, sequence: int, offset_ms: int, now: datetime) -> bool:
        """Return whether an event is due."""
        if sequence <= self.anchor_sequence:
            return True
        return not self.paused and offset_ms <= self.offset_ms(now)

    def seconds_until(self, offset_ms: int, now: datetime) -> float | None:
        """Return the seconds until the playhead reaches an offset; None while it is paused."""
        if self.paused:
            return None
        return max(0.0, (offset_ms - self.offset_ms(now)) / 1000 / self.speed)

    def moment_of(self, offset_ms: int) -> datetime | None:
        """Return when the playhead reaches or reached an offset; None while it is paused."""
        if self.paused:
            return None
        seconds = max(0.0, (offset_ms - self.anchor_offset_ms) / 1000 / self.speed)
        return self.anchor_at + timedelta(seconds=min(seconds, _FOREVER))


_FOREVER = 100 * 365 * 86_400.0
