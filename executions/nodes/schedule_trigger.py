from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from executions.domain.graph import strings_in
from executions.domain.schedule_rule import MOST_SECONDS, BadRule, ScheduleRule, checked_cron, checked_timezone
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class ScheduleTriggerParameters(Parameters):
    cron: str | None = Field(
        None,
        title="Cron rule",
        description="Minute, hour, day of month, month, day of week, as in Debian's cron; @daily and the like too.",
        min_length=1,
        max_length=200,
        examples=["0 9 * * MON-FRI"],
    )
    interval_seconds: int | None = Field(
        None,
        title="Interval in seconds",
        description="Or how much time passes from one run to the next, counted from the activation.",
        ge=1,
        le=MOST_SECONDS,
        validate_default=True,
    )
    timezone: str = Field(
        "UTC",
        title="Time zone",
        description="The IANA time zone of the cron rule. A time that daylight saving skips runs right after the gap,"
        " one that happens twice runs once; rules with * in minute or hour follow the clock on the wall.",
        max_length=64,
        examples=["Europe/Berlin"],
    )
    missed: Literal["skip", "run_once", "run_all"] = Field(
        "skip",
        title="Missed runs",
        description="What happens to runs that were due more than a minute ago, because no scheduler was running, or"
        " that a later one has overtaken: skip leaves them out, run_once makes up for all of them with one run,"
        " run_all with one run each, the last 100 at most.",
    )

    @field_validator("cron", "timezone")
    @classmethod
    def _is_one(cls, value: str | None, info: ValidationInfo) -> str | None:
        check: Callable[[str], str] = checked_cron if info.field_name == "cron" else checked_timezone
        try:
            return None if value is None else check(value)
        except BadRule as error:
            raise PydanticCustomError("invalid", "{said}", {"said": str(error)}) from None

    @field_validator("interval_seconds")
    @classmethod
    def _exactly_one(cls, value: int | None, info: ValidationInfo) -> int | None:
        if "cron" in info.data and (value is None) == (info.data["cron"] is None):
            said = "Give one of cron and interval_seconds" + (", not both." if value else ".")
            raise PydanticCustomError("exactly_one", "{said}", {"said": said})
        return value

    def rule(self, anchor: datetime) -> ScheduleRule:
        """Return when the schedule is due; intervals count from `anchor`."""
        return ScheduleRule(self.cron, self.interval_seconds, self.timezone, anchor)


def item_of(planned: datetime, fired: datetime, timezone: str, missed: bool, missed_runs: int) -> dict[str, Any]:
    """Return the item that a scheduled execution begins with."""
    return {
        "scheduled_at": planned.astimezone(UTC).isoformat(),
        "fired_at": fired.astimezone(UTC).isoformat(),
        "local_time": planned.astimezone(ZoneInfo(timezone)).isoformat(),
        "timezone": timezone,
        "missed": missed,
        "missed_runs": missed_runs,
    }


class ScheduleTrigger(NodeType[ScheduleTriggerParameters]):
    type = "schedule_trigger"
    label = "Schedule trigger"
    description = "Starts at the times of a cron rule, or at an interval. Its item says which time, and if it was late."
    icon = "clock"
    category = "trigger"
    Parameters = ScheduleTriggerParameters
    trigger = True

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        said = "A schedule is fixed when the workflow is saved; it takes no expressions."
        expressions = [(path, "expression", said) for path, _ in strings_in(dict(parameters), "parameters")]
        return expressions or super().check_parameters(parameters)

    def run(self, context: NodeContext[Any]) -> NodeResult:
        if context.items:
            return NodeResult({"main": context.items})
        now = datetime.now(UTC)  # run by hand
        return NodeResult({"main": [item_of(now, now, context.parameters().timezone, False, 0)]})
