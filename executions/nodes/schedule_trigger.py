from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from executions.domain.graph import strings_in
from executions.domain.lineage import SAME
from executions.domain.schedule_rule import MAX_SECONDS, BadRule, ScheduleRule, checked_cron, checked_timezone
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class ScheduleTriggerParameters(Parameters):
    cron: str | None = Field(
        None,
        title="Cron rule",
        description="Minute, hour, day of month, month, day of week, as in Debian's cron. Or a nickname: @daily.",
        min_length=1,
        max_length=200,
        examples=["0 9 * * MON-FRI"],
    )
    interval_seconds: int | None = Field(
        None,
        title="Interval in seconds",
        description="Or the time between runs, counted from the activation of the workflow.",
        ge=1,
        le=MAX_SECONDS,
        validate_default=True,
    )
    timezone: str = Field(
        "UTC",
        title="Time zone",
        description="The IANA time zone of the cron rule; if it is not given, that of the workflow. A time that"
        " daylight saving time skips runs right after the gap; a time that occurs twice runs once. Rules with * in"
        " minute or hour follow wall-clock time.",
        max_length=64,
        examples=["Europe/Berlin"],
    )
    missed: Literal["skip", "run_once", "run_all"] = Field(
        "skip",
        title="Missed runs",
        description="What to do with runs that were due more than a minute ago because no scheduler was running: skip"
        " ignores them, run_once starts one run for all of them, run_all one run for each, at most the last 100.",
    )

    @field_validator("cron", "timezone")
    @classmethod
    def _is_one(cls, value: str | None, info: ValidationInfo) -> str | None:
        check: Callable[[str], str] = checked_cron if info.field_name == "cron" else checked_timezone
        try:
            return None if value is None else check(value)
        except BadRule as error:
            raise PydanticCustomError("invalid", "{problem}", {"problem": str(error)}) from None

    @field_validator("interval_seconds")
    @classmethod
    def _exactly_one(cls, value: int | None, info: ValidationInfo) -> int | None:
        if "cron" in info.data and (value is None) == (info.data["cron"] is None):
            problem = "Give one of cron and interval_seconds" + (", not both." if value else ".")
            raise PydanticCustomError("exactly_one", "{problem}", {"problem": problem})
        return value

    def rule(self, anchor: datetime) -> ScheduleRule:
        """Return the rule of the schedule; intervals are counted from `anchor`."""
        return ScheduleRule(self.cron, self.interval_seconds, self.timezone, anchor)


def item_of(planned: datetime, fired: datetime, timezone: str, missed: bool, missed_runs: int) -> dict[str, Any]:
    """Return the input item of a scheduled execution."""
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
    description = "Starts the workflow at the times of a cron rule or at an interval. Its item contains the time."
    icon = "clock"
    category = "trigger"
    Parameters = ScheduleTriggerParameters
    trigger = True

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        message = "A schedule cannot contain expressions: it is fixed when the workflow is saved."
        expressions = [(path, "expression", message) for path, _ in strings_in(dict(parameters), "parameters")]
        return expressions or super().check_parameters(parameters)

    def run(self, context: NodeContext[Any]) -> NodeResult:
        if context.items:
            return NodeResult({"main": context.items}, {"main": SAME})
        now = datetime.now(UTC)  # started manually
        parameters = context.parameters()
        zone = parameters.timezone if "timezone" in parameters.model_fields_set else context.timezone
        return NodeResult({"main": [item_of(now, now, zone, False, 0)]}, {"main": [[]]})
