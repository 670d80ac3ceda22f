"""What a detector found, and how its figure is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from executions.models import InsightKind


@dataclass(frozen=True, slots=True)
class Finding:
    """An insight before it is stored. `about` tells findings of a kind apart: a workflow and node, or an endpoint."""

    kind: InsightKind
    workspace: UUID | None
    """None: of the installation."""
    about: str
    subject: dict[str, Any]
    evidence: dict[str, Any]
    figure: dict[str, Any]
    workflow: UUID | None = None
    action: dict[str, Any] | None = field(default=None)

    @property
    def key(self) -> str:
        """Return what is equal for the same finding at the next look."""
        return key_of(self.kind, self.about)


def key_of(kind: InsightKind, about: str) -> str:
    """Return the key of a finding."""
    return f"{kind.value}:{about}"


def seconds_text(seconds: float) -> str:
    """Return a duration for a sentence: 350 ms, 4.2 s, 41 s, 12 min or 3 h."""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 7200 else f"{round(seconds / 3600)} h"
