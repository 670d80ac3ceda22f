"""The state that determines whether a running execution continues."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from executions.lifecycle import Lease
from executions.models import Execution
from executions.overview.expected import Percentiles

MAX_UNCOMMITTED = 64
"""Changes of one execution that may be uncommitted: a loop of fast nodes waits for the database."""


@dataclass(slots=True)
class ExecutionState:
    """A running execution: its lease, the requests to it, and how much of it is uncommitted.

    The actor sets the fields, except `uncommitted`, which its journal counts.
    """

    execution: Execution
    lease: Lease
    limit_ms: int
    """How long it may run, waits and pauses not counted."""
    usual: Percentiles | None = None
    """How long executions of its version usually take, from start to end; None if nothing is known."""
    began: float = field(default_factory=time.monotonic)
    """When it began under this lease, on the monotonic clock."""
    uncommitted: int = 0
    """Changes that are submitted and not yet committed."""
    released: bool = False
    """The last change under this lease is submitted."""
    lease_lost: bool = False
    """Another worker holds the execution, or a change could not be committed: nothing more is written."""
    cancel_request: dict[str, Any] | None = None
    pause_request: dict[str, Any] | None = None
    """As it was at `requests_read_at`. It may have been withdrawn since."""
    requests_read_at: float = 0.0
    """When the requests were last read, on the monotonic clock."""
    attempt_ended_at: float = 0.0
    """When the last attempt ended, on the monotonic clock."""
    woken: bool = False
    """Something that a node run waits for has been resolved."""
    stopping: bool = False
    """The worker stops."""
    awaiting_cache: bool = False
    """It is not yet known whether the result cache has the result."""

    @property
    def is_over(self) -> bool:
        """Return whether nothing more may be done under this lease."""
        return self.released or self.lease_lost

    @property
    def may_begin_nodes(self) -> bool:
        """Return whether nodes may begin or continue after a wait."""
        return self.pause_request is None and not self.stopping and not self.awaiting_cache

    @property
    def may_pause(self) -> bool:
        """Return whether a pause was still requested after the last attempt ended: one withdrawn before that is not
        taken."""
        return self.pause_request is not None and self.requests_read_at > self.attempt_ended_at

    @property
    def has_backlog(self) -> bool:
        """Return whether too much is uncommitted to do more."""
        return self.uncommitted >= MAX_UNCOMMITTED

    @property
    def ran_ms(self) -> float:
        """Return how long it has run, waits and pauses not counted."""
        return self.execution.ran_ms + (time.monotonic() - self.began) * 1000

    @property
    def expected_remaining_ms(self) -> float | None:
        """Return how long it goes on if it takes as long as usual, or as the longest do; None if that is not known or
        it is longer than that already."""
        if self.usual is None or self.execution.started_at is None:
            return None
        elapsed = (timezone.now() - self.execution.started_at).total_seconds() * 1000
        usual = next((each for each in (self.usual.p50, self.usual.p95) if each > elapsed), None)
        return None if usual is None else round(usual - elapsed, 1)

    @property
    def deadline(self) -> float:
        """Return when its time is up, on the monotonic clock."""
        return self.began + (self.limit_ms - self.execution.ran_ms) / 1000

    @property
    def is_past_deadline(self) -> bool:
        """Return whether its time is up."""
        return time.monotonic() > self.began + (self.limit_ms - self.execution.ran_ms) / 1000

    @property
    def log_fields(self) -> dict[str, str]:
        """Return the fields of log lines about the execution."""
        return {
            "execution_id": str(self.execution.pk),
            "workflow_id": str(self.execution.workflow_id),
            "worker": self.lease.worker,
        }
