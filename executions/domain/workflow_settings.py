"""The settings of a workflow version: limits, policies and what happens at an error. Pure: no Django."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Concurrency(BaseModel):
    """How many executions run at a time, over all or for each key."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(ge=1, le=10_000, title="Limit", description="Executions at a time.")
    key: str | None = Field(
        None, max_length=2_000, title="Key", description="An expression over the input's first item: counted for each."
    )
    policy: Literal["queue", "cancel_running", "skip"] = Field(
        "queue",
        title="Policy",
        description="What happens to one too many: it waits, replaces the oldest, or is left out.",
    )


class RateLimit(BaseModel):
    """How many executions start in any span of time."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(ge=1, le=1_000_000, title="Starts")
    seconds: float = Field(gt=0, le=86_400, title="In seconds")


class ResultCache(BaseModel):
    """How long a whole execution's result serves the same input, in seconds."""

    model_config = ConfigDict(extra="forbid")

    ttl: float | None = Field(None, gt=0, le=30 * 86_400)


class WorkflowSettings(BaseModel):
    """What a version says besides its graph. A setting that does not exist is an error."""

    model_config = ConfigDict(extra="forbid")

    max_execution_time_ms: int | None = Field(None, ge=100, le=30 * 86_400_000, title="Deadline")
    concurrency: Concurrency | None = None
    rate_limit: RateLimit | None = None
    error_workflow: UUID | None = Field(
        None, title="Error workflow", description="Started once, by the trigger error, when one fails or times out."
    )
    cache: ResultCache | None = None
    vars: dict[str, Any] = Field({}, title="Variables", description="What $vars holds.")
    sample_input: list[dict[str, Any]] = Field([], title="Sample input", description="What the run form begins with.")

    def columns(self) -> dict[str, Any]:
        """Return the limits as the columns of a workflow that admission reads."""
        per_key = self.concurrency is not None and self.concurrency.key is not None
        limit = self.concurrency.limit if self.concurrency else None
        return {
            "max_concurrent": None if per_key else limit,
            "max_concurrent_per_key": limit if per_key else None,
            "rate_limit": self.rate_limit.count if self.rate_limit else None,
            "rate_seconds": self.rate_limit.seconds if self.rate_limit else None,
        }
