from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes import moments
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.paths import FieldPath, with_value

MAX_TEXT = 200
MAX_AMOUNT = 1e12

Operation = Literal["now", "parse", "format", "add", "subtract", "difference", "extract", "round"]


def time_zone_name(name: str) -> str:
    """Return the name of an IANA time zone. Raises ValueError if it does not exist."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(
            f"There is no time zone {name[:100]!r}. Use an IANA name such as Europe/Vienna or UTC"
        ) from None
    return name


class DateTimeParameters(Parameters):
    operation: Operation = Field("now", title="Operation")
    value: Any = Field(
        None,
        title="Date",
        description="ISO 8601, RFC 2822, or seconds or milliseconds since 1970; usually an expression. The operation"
        " `now` ignores it.",
    )
    timezone: Annotated[str, AfterValidator(time_zone_name)] | None = Field(
        None,
        title="Time zone",
        description="An IANA name; if it is not given, the time zone of the workflow. It applies to dates without an"
        " offset, to calendar arithmetic and to the result.",
        max_length=100,
    )
    format: str | None = Field(
        None,
        title="Format",
        description="parse: the pattern of the text, such as %d.%m.%Y %H:%M; default ISO 8601 or RFC 2822. format: a"
        " pattern, or one of iso, date, time, unix_seconds, unix_milliseconds, rfc_2822.",
        min_length=1,
        max_length=MAX_TEXT,
    )
    amount: float = Field(
        1, title="Amount", description="The number of units to add or subtract.", ge=-MAX_AMOUNT, le=MAX_AMOUNT
    )
    unit: moments.Unit = Field(
        "days",
        title="Unit",
        description="Days and longer units follow the calendar (a day after 09:00 is 09:00); hours and shorter are"
        " elapsed time.",
    )
    until: Any = Field(
        None, title="Until", description="For difference: the later date. The result is Until minus Date."
    )
    part: moments.Part = Field(
        "year", title="Part", description="The part to extract. Weeks are ISO weeks; Monday is 1."
    )
    direction: moments.Direction = Field("down", title="Direction", description="The direction of rounding.")
    into: FieldPath = Field("date", title="Into", description="The field for the result.")


class DateTime(ItemNodeType[DateTimeParameters]):
    type = "date_time"
    label = "Date and time"
    description = "Parses, formats, calculates and rounds dates, with time zones."
    icon = "calendar"
    category = "data"
    Parameters = DateTimeParameters
    computes = True

    def cache_key(self, context: NodeContext[DateTimeParameters]) -> Any:
        return [context.timezone, *super().cache_key(context)]

    def run_item(self, context: NodeContext[DateTimeParameters], index: int, item: Item) -> dict[str, Items]:
        parameters = context.parameters(index)
        try:
            result = _result(parameters, ZoneInfo(parameters.timezone or context.timezone))
        except (ValueError, OverflowError) as error:
            raise NodeError(f"{_named(error)} (item {index}).") from None
        return {"main": [with_value(item, parameters.into, result)]}


class _BadField(ValueError):
    def __init__(self, field: str, error: Exception) -> None:
        super().__init__(f"parameters.{field}: {error}")


def _named(error: Exception) -> str:
    return str(error) if isinstance(error, _BadField) else f"parameters.amount: {error}"


def _result(parameters: DateTimeParameters, zone: ZoneInfo) -> Any:
    if parameters.operation == "now":
        return _written(datetime.now(UTC).astimezone(zone), parameters.format)
    pattern = parameters.format if parameters.operation == "parse" else None
    moment = _moment("value", parameters.value, zone, pattern)
    match parameters.operation:
        case "format":
            return _written(moment, parameters.format)
        case "add":
            moment = moments.shifted(moment, parameters.amount, parameters.unit)
        case "subtract":
            moment = moments.shifted(moment, -parameters.amount, parameters.unit)
        case "difference":
            return moments.between(moment, _moment("until", parameters.until, zone, None), parameters.unit)
        case "extract":
            return moments.part(moment, parameters.part)
        case "round":
            moment = moments.rounded(moment, parameters.unit, parameters.direction)
    return moment.isoformat()


def _moment(field: str, value: Any, zone: ZoneInfo, pattern: str | None) -> datetime:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise _BadField(field, ValueError(f"has {len(value)} characters; the limit is {MAX_TEXT}"))
    try:
        return moments.parsed(value, zone, pattern)
    except (ValueError, OverflowError) as error:
        raise _BadField(field, error) from None


def _written(moment: datetime, pattern: str | None) -> Any:
    try:
        return moments.formatted(moment, pattern or "iso")
    except ValueError as error:
        raise _BadField("format", error) from None
