"""The settings of a workflow version: limits, policies and error handling. Pure: no Django."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from executions.domain.schedule_rule import checked_timezone

HOLD_SECONDS = 86_400
"""How long a held node run waits for a person if nothing else is said."""
MIN_HOLD_SECONDS, MAX_HOLD_SECONDS = 60, 2_592_000
TimeZone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(checked_timezone)]


class Concurrency(BaseModel):
    """The limit of executions that run at a time, in total or per key."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(ge=1, le=10_000, title="Limit", description="Executions that may run at a time.")
    key: str | None = Field(
        None,
        max_length=2_000,
        title="Key",
        description="An expression on the first input item. The limit applies per value.",
    )
    policy: Literal["queue", "cancel_running", "skip"] = Field(
        "queue",
        title="Policy",
        description="What to do at the limit: queue the new execution, cancel the oldest running one, or skip it.",
    )


class RateLimit(BaseModel):
    """The limit of executions that start within a span of time."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(ge=1, le=1_000_000, title="Starts")
    seconds: float = Field(gt=0, le=86_400, title="In seconds")


class ResultCache(BaseModel):
    """How long the result of a whole execution is reused for the same input, in seconds."""

    model_config = ConfigDict(extra="forbid")

    ttl: float | None = Field(None, gt=0, le=30 * 86_400)


class WorkflowSettings(BaseModel):
    """The settings of a workflow version. Unknown settings are errors."""

    model_config = ConfigDict(extra="forbid")

    max_execution_time_ms: int | None = Field(None, ge=100, le=30 * 86_400_000, title="Deadline")
    concurrency: Concurrency | None = None
    rate_limit: RateLimit | None = None
    error_workflow: UUID | None = Field(
        None, title="Error workflow", description="The workflow to start when an execution fails or times out."
    )
    cache: ResultCache | None = None
    on_failure: Literal["stop", "hold"] = Field(
        "stop",
        title="When a node fails",
        description="What happens when a node fails for good: the execution fails (stop), or it waits for a person"
        " (hold).",
    )
    hold_seconds: int = Field(
        HOLD_SECONDS,
        ge=MIN_HOLD_SECONDS,
        le=MAX_HOLD_SECONDS,
        title="Hold for, in seconds",
        description="How long a failed node waits for a person. Then it fails.",
    )
    timezone: TimeZone | None = Field(
        None,
        title="Time zone",
        description="An IANA name, for $now, $today, dates without an offset and schedules without a time zone. If"
        " empty, the platform's.",
    )
    vars: dict[str, Any] = Field({}, title="Variables", description="The values of $vars.")
    sample_input: list[dict[str, Any]] = Field(
        [], title="Sample input", description="The initial input in the run form."
    )

    def columns(self) -> dict[str, Any]:
        """Return the limits as the workflow columns that admission reads."""
        per_key = self.concurrency is not None and self.concurrency.key is not None
        limit = self.concurrency.limit if self.concurrency else None
        return {
            "max_concurrent": None if per_key else limit,
            "max_concurrent_per_key": limit if per_key else None,
            "rate_limit": self.rate_limit.count if self.rate_limit else None,
            "rate_seconds": self.rate_limit.seconds if self.rate_limit else None,
        }
