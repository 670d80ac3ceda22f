"""Date and time arithmetic with calendar and time zone: pure functions on aware datetimes, for the node `date_time`.

Years to days are wall-clock time: a day after 09:00 is 09:00, also across a change of daylight saving time. Hours to
milliseconds are elapsed time. A skipped wall-clock time is moved forward by the gap; a repeated one means its first
occurrence.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from executions.nodes.comparing import number

Unit = Literal["years", "quarters", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"]
Part = Literal[
    "year", "quarter", "month", "week", "week_year", "day", "day_of_year", "weekday", "hour", "minute", "second",
    "millisecond", "unix_seconds", "utc_offset_minutes", "is_dst",
]  # fmt: skip
Direction = Literal["down", "up", "nearest"]

_ELAPSED = {
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
    "seconds": timedelta(seconds=1),
    "milliseconds": timedelta(milliseconds=1),
}
_MONTHS = {"years": 12, "quarters": 3, "months": 1}
_DAYS = {"weeks": 7, "days": 1}
_LARGEST_SECONDS = 1e11  # the year 5138 in seconds, 1973 in milliseconds
_DIRECTIVE = re.compile(r"%-?(.?)", re.DOTALL)
_KNOWN_DIRECTIVES = frozenset("aAbBdHIjmMpSfyYzZGuVUWwe%FT")


def parsed(value: Any, zone: ZoneInfo, pattern: str | None = None) -> datetime:
    """Parse a value by a strptime pattern, else as ISO 8601, RFC 2822, or seconds or milliseconds since 1970. Returns
    it in the zone; a text without offset is wall-clock time of the zone. Raises ValueError."""
    if isinstance(value, str) and pattern:
        check_pattern(pattern)
        moment = datetime.strptime(value, pattern)
    elif not _is_basic_date(value) and (count := number(value)) is not None:
        seconds = count / 1000 if abs(count) >= _LARGEST_SECONDS else count
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    elif isinstance(value, str):
        moment = _parsed_text(value.strip())
    else:
        raise ValueError("is not a date: give text or a number")
    return _real(moment.replace(tzinfo=zone)) if moment.tzinfo is None else moment.astimezone(zone)


def _is_basic_date(value: Any) -> bool:
    """Return whether a value is an ISO 8601 basic date such as 20260301, and not a number of seconds."""
    return isinstance(value, str) and len(value) == 8 and value.isdecimal()


def _parsed_text(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        raise ValueError(f"{value[:100]!r} is neither ISO 8601 nor RFC 2822; set its format") from None


def check_pattern(pattern: str) -> None:
    """Raise ValueError if a strftime pattern contains a directive that is not supported on all systems."""
    for match in _DIRECTIVE.finditer(pattern):
        if match[1] not in _KNOWN_DIRECTIVES:
            raise ValueError(f"the format contains the unknown directive {match[0]!r}")


def formatted(moment: datetime, pattern: str) -> str | int | float:
    """Return a moment by the name of a format, or as strftime text; the unix formats are numbers."""
    match pattern:
        case "iso":
            return moment.isoformat()
        case "date":
            return moment.date().isoformat()
        case "time":
            return moment.timetz().replace(tzinfo=None).isoformat()
        case "unix_seconds":
            return _unix(moment)
        case "unix_milliseconds":
            return round(_unix(moment) * 1000)
        case "rfc_2822":
            return format_datetime(moment)
    check_pattern(pattern)
    return moment.strftime(pattern)


def _unix(moment: datetime) -> int | float:
    stamp = moment.timestamp()
    return int(stamp) if stamp.is_integer() else stamp


def _real(moment: datetime) -> datetime:
    """Return a moment with an existing wall-clock time: a skipped time is moved forward."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo)


def shifted(moment: datetime, amount: float, unit: Unit) -> datetime:
    """Return the moment plus an amount of a unit. Raises ValueError, OverflowError."""
    if unit in _ELAPSED:
        return (moment.astimezone(UTC) + _ELAPSED[unit] * amount).astimezone(moment.tzinfo)
    whole = int(amount)
    if whole != amount:
        raise ValueError(f"{amount:g} is not a whole number; {unit} can only be added as whole numbers")
    if unit in _DAYS:
        return _real((moment + timedelta(days=whole * _DAYS[unit])).replace(fold=0)) if whole else moment
    month = moment.year * 12 + moment.month - 1 + whole * _MONTHS[unit]
    year, month = divmod(month, 12)
    if not 1 <= year <= 9999:
        raise OverflowError("the year of the result is not between 1 and 9999")
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return _real(moment.replace(year=year, month=month + 1, day=day, fold=0)) if whole else moment


def between(start: datetime, end: datetime, unit: Unit) -> int | float:
    """Return the number of units from start to end, with a fraction; calendar units use the zone of start."""
    end = end.astimezone(start.tzinfo)
    if unit in _ELAPSED:
        return _tidy((end.astimezone(UTC) - start.astimezone(UTC)) / _ELAPSED[unit])
    if unit in _DAYS:
        return _tidy((end.replace(tzinfo=None) - start.replace(tzinfo=None)) / timedelta(days=_DAYS[unit]))
    if end < start:
        return -between(end, start, unit)
    whole = ((end.year - start.year) * 12 + end.month - start.month) // _MONTHS[unit]
    while shifted(start, whole, unit) > end:
        whole -= 1
    low, high = shifted(start, whole, unit), shifted(start, whole + 1, unit)
    return _tidy(whole + (end.astimezone(UTC) - low.astimezone(UTC)) / (high.astimezone(UTC) - low.astimezone(UTC)))


def _tidy(value: float) -> int | float:
    value = round(value, 9)
    return int(value) if value.is_integer() else value


def rounded(moment: datetime, unit: Unit, direction: Direction) -> datetime:
    """Round to the start of a unit: of the current one, of the next one (unless exact), or of the nearer one."""
    low = _start(moment, unit)
    if direction == "down" or low == moment:
        return low
    high = _start(shifted(low, 1, unit), unit)
    if high.astimezone(UTC) < moment.astimezone(UTC):  # clocks went back over midnight: it comes a second time
        high = high.replace(fold=1)
    if direction == "up":
        return high
    before, after = (moment.astimezone(UTC) - low.astimezone(UTC)), (high.astimezone(UTC) - moment.astimezone(UTC))
    return low if before < after else high


def _start(moment: datetime, unit: Unit) -> datetime:
    """Return the start of the unit that contains the moment; weeks start on Monday."""
    if unit == "milliseconds":
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    if unit in _ELAPSED:
        zeroed = ("microsecond", "second", "minute")[: ("seconds", "minutes", "hours").index(unit) + 1]
        return moment.replace(**dict.fromkeys(zeroed, 0))  # type: ignore[arg-type]  # keeps fold: the same of two repeated hours
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if unit == "weeks":
        day -= timedelta(days=day.weekday())
    elif unit != "days":
        first = {"years": 1, "quarters": (day.month - 1) // 3 * 3 + 1, "months": day.month}[unit]
        day = day.replace(month=first, day=1)
    return _real(day)


_PARTS: dict[str, Callable[[datetime], Any]] = {
    "quarter": lambda at: (at.month + 2) // 3,
    "week": lambda at: at.isocalendar().week,
    "week_year": lambda at: at.isocalendar().year,
    "day_of_year": lambda at: at.timetuple().tm_yday,
    "weekday": lambda at: at.isoweekday(),
    "millisecond": lambda at: at.microsecond // 1000,
    "unix_seconds": _unix,
    "utc_offset_minutes": lambda at: (at.utcoffset() or timedelta()) // timedelta(minutes=1),
    "is_dst": lambda at: bool(at.dst()),
}


def part(moment: datetime, name: Part) -> int | float | bool:
    """Return a part of a moment as a number. Weeks are ISO weeks; weekdays are 1 (Monday) to 7."""
    value: int | float | bool = _PARTS[name](moment) if name in _PARTS else getattr(moment, name)
    return value
