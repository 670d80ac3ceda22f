"""What a list of executions selects. It is plain data: the URL of a page, a saved view and a bulk operation hold it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from executions.domain.attributes import KEY_PATTERN, MAX_VALUE
from executions.domain.statuses import ExecutionStatus
from executions.models import Mode, Trigger

MAX_IDS = 1000
MAX_TEXT = 200
MAX_ATTRIBUTES = 5
ATTRIBUTE_PATTERN = rf"^(?:{KEY_PATTERN}):[^\x00]{{0,{MAX_VALUE}}}$"
MAX_SECONDS = 10 * 366 * 86_400.0


class Criteria(BaseModel):
    """Criteria of executions; all given ones must hold. `since` and `until` are times of queueing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workspace: UUID | None = None
    workflow: UUID | None = None
    version: int | None = Field(None, ge=1, le=2**31 - 1)
    """The number of a version; needs `workflow`."""
    status: list[ExecutionStatus] = Field([], max_length=len(ExecutionStatus))
    cause: str = Field("", pattern=r"^([0-9a-f]{16})?$")
    failed_node: str = Field("", max_length=100)
    """The node that made the execution fail."""
    node_ran: str = Field("", max_length=100)
    """A node that ran, whatever became of it; needs `workflow`."""
    node_failed: str = Field("", max_length=100)
    """A node that failed, whether or not the execution went on; needs `workflow`."""
    attribute: list[Annotated[str, Field(pattern=ATTRIBUTE_PATTERN)]] = Field([], max_length=MAX_ATTRIBUTES)
    """Attributes with their values: `key:value`."""
    trigger: list[Trigger] = Field([], max_length=len(Trigger))
    mode: Mode | None = None
    held: bool = False
    """Only those of which a node run waits for a person."""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    min_duration: float | None = Field(None, ge=0, le=MAX_SECONDS)
    """Seconds from start to end; of an execution that has not ended, from start to now."""
    max_duration: float | None = Field(None, ge=0, le=MAX_SECONDS)
    rerun_of: UUID | None = None
    ids: list[UUID] = Field([], max_length=MAX_IDS)
    q: str = Field("", max_length=MAX_TEXT)
    """Part of the workflow's name or the error's message, or the first eight or more digits of an id."""
    text: str = Field("", max_length=MAX_TEXT)
    """Words in the input, the outputs and the error of ended executions (executions.domain.search_words)."""

    @property
    def says_something(self) -> bool:
        """Return whether anything is selected by, besides the workspace."""
        return bool(self.model_dump(exclude_defaults=True, exclude={"workspace"}))


SortName = Literal["-queued", "queued", "-duration", "duration", "-ended", "ended"]
