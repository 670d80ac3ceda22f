"""When a workflow begins to fail, and when it has recovered. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Turn = Literal["failed", "recovered"]


@dataclass(frozen=True, slots=True)
class HealthChange:
    """The failures in a row after an execution ended, and whether that is worth a notification."""

    failures: int
    turn: Turn | None
    before: int
    """The failures in a row until then."""


def after_end(failures: int, ended_as: str) -> HealthChange:
    """Return what the end of an execution changes for its workflow, which had `failures` in a row.

    The first failure and the first success after failures are turns. A cancelled execution says nothing.
    """
    if ended_as in {"failed", "timed_out"}:
        return HealthChange(failures + 1, "failed" if failures == 0 else None, failures)
    if ended_as == "completed":
        return HealthChange(0, "recovered" if failures else None, failures)
    return HealthChange(failures, None, failures)
