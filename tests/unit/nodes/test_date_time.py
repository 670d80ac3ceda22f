from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from executions.domain.errors import NodeError
from executions.nodes import moments
from tests.unit.nodes.running import run

VIENNA = "Europe/Vienna"


def made(operation: str, value: Any = None, **parameters: Any) -> Any:
    return run("date_time", {}, operation=operation, value=value, **parameters).outputs["main"][0]["date"]


def test_now_is_now_in_the_zone() -> None:
    before = datetime.now(UTC)
    now = datetime.fromisoformat(made("now", timezone="Asia/Kolkata"))
    assert now.utcoffset() == timedelta(hours=5, minutes=30)
    assert before - timedelta(seconds=1) <= now <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("value", "format_", "parsed"),
    [
        ("2026-03-01T12:00:00Z", None, "2026-03-01T13:00:00+01:00"),
        ("2026-03-01 12:00", None, "2026-03-01T12:00:00+01:00"),
        ("20260301", None, "2026-03-01T00:00:00+01:00"),
        ("Sun, 01 Mar 2026 12:00:00 +0000", None, "2026-03-01T13:00:00+01:00"),
        (0, None, "1970-01-01T01:00:00+01:00"),
        (1772366400000, None, "2026-03-01T13:00:00+01:00"),
        ("1772366400", None, "2026-03-01T13:00:00+01:00"),
        ("1.3.2026 07:05", "%d.%m.%Y %H:%M", "2026-03-01T07:05:00+01:00"),
        ("2026-03-29T02:30", None, "2026-03-29T03:30:00+02:00"),
        ("2026-10-25T02:30", None, "2026-10-25T02:30:00+02:00"),
    ],
    ids=str,
)
def test_dates_are_parsed_as_wall_time_of_the_zone(value: Any, format_: str | None, parsed: str) -> None:
    parameters = {} if format_ is None else {"format": format_}
    assert made("parse", value, timezone=VIENNA, **parameters) == parsed


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("iso", "2026-03-01T13:00:00.500000+01:00"),
        ("date", "2026-03-01"),
        ("time", "13:00:00.500000"),
        ("unix_seconds", 1772366400.5),
        ("unix_milliseconds", 1772366400500),
        ("rfc_2822", "Sun, 01 Mar 2026 13:00:00 +0100"),
        ("%-d. %B %Y, %H Uhr", "1. March 2026, 13 Uhr"),
    ],
)
def test_dates_are_written_by_name_or_pattern(format_: str, text: Any) -> None:
    assert made("format", "2026-03-01T12:00:00.5Z", timezone=VIENNA, format=format_) == text


@pytest.mark.parametrize(
    ("value", "amount", "unit", "later"),
    [
        ("2026-03-28T09:00", 1, "days", "2026-03-29T09:00:00+02:00"),
        ("2026-03-28T09:00", 24, "hours", "2026-03-29T10:00:00+02:00"),
        ("2026-03-28T02:30", 1, "days", "2026-03-29T03:30:00+02:00"),
        ("2026-10-24T02:30", 1, "days", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:30", 1, "hours", "2026-10-25T02:30:00+01:00"),
        ("2026-01-31", 1, "months", "2026-02-28T00:00:00+01:00"),
        ("2028-02-29", 1, "years", "2029-02-28T00:00:00+01:00"),
        ("2026-11-30", 1, "quarters", "2027-02-28T00:00:00+01:00"),
        ("2026-03-01", -1.5, "minutes", "2026-02-28T23:58:30+01:00"),
    ],
)
def test_the_calendar_and_the_clocks_are_followed(value: str, amount: float, unit: str, later: str) -> None:
    assert made("add", value, amount=amount, unit=unit, timezone=VIENNA) == later


def test_subtract_is_add_backwards() -> None:
    assert made("subtract", "2026-03-31", amount=1, unit="months") == "2026-02-28T00:00:00+00:00"


@pytest.mark.parametrize(
    ("start", "end", "unit", "count"),
    [
        ("2026-03-28T12:00", "2026-03-29T12:00", "days", 1),
        ("2026-03-28T12:00", "2026-03-29T12:00", "hours", 23),
        ("2026-01-31", "2026-02-28", "months", 1),
        ("2026-01-01", "2026-04-16", "months", 3.5),
        ("2026-03-01", "2025-03-01", "years", -1),
        ("2026-03-01", "2026-03-01T00:00:00.25", "milliseconds", 250),
    ],
)
def test_differences_are_counted_in_a_unit(start: str, end: str, unit: str, count: float) -> None:
    assert made("difference", start, until=end, unit=unit, timezone=VIENNA) == pytest.approx(count, abs=0.002)


def test_parts_are_numbers() -> None:
    parts = {part: made("extract", "2027-01-01T23:30:00.25+02:00", part=part) for part in get_args(moments.Part)}
    assert parts == {
        "year": 2027, "quarter": 1, "month": 1, "week": 53, "week_year": 2026, "day": 1, "day_of_year": 1, "weekday": 5,
        "hour": 21, "minute": 30, "second": 0, "millisecond": 250, "unix_seconds": 1798839000.25,
        "utc_offset_minutes": 0, "is_dst": False,
    }  # fmt: skip
    assert made("extract", "2026-07-01", part="is_dst", timezone=VIENNA) is True


@pytest.mark.parametrize(
    ("unit", "direction", "rounded"),
    [
        ("hours", "down", "2026-10-25T02:00:00+01:00"),
        ("hours", "nearest", "2026-10-25T03:00:00+01:00"),
        ("days", "down", "2026-10-25T00:00:00+02:00"),
        ("days", "up", "2026-10-26T00:00:00+01:00"),
        ("weeks", "down", "2026-10-19T00:00:00+02:00"),
        ("months", "up", "2026-11-01T00:00:00+01:00"),
        ("quarters", "down", "2026-10-01T00:00:00+02:00"),
        ("years", "nearest", "2027-01-01T00:00:00+01:00"),
    ],
)
def test_rounding_keeps_the_second_of_two_equal_hours(unit: str, direction: str, rounded: str) -> None:
    assert made("round", "2026-10-25T01:40:00Z", unit=unit, direction=direction, timezone=VIENNA) == rounded


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"operation": "parse", "value": "yesterday"}, "value"),
        ({"operation": "parse", "value": {}}, "value"),
        ({"operation": "parse", "value": "1" * 201}, "value"),
        ({"operation": "parse", "value": 1e300}, "value"),
        ({"operation": "format", "value": 0, "format": "%Q"}, "format"),
        ({"operation": "format", "value": 0, "format": "%"}, "format"),
        ({"operation": "difference", "value": 0}, "until"),
        ({"operation": "add", "value": 0, "amount": 1e12, "unit": "years"}, "amount"),
        ({"operation": "add", "value": 0, "amount": 0.5, "unit": "days"}, "amount"),
        ({"operation": "add", "value": 0, "amount": 1e13}, "amount"),
        ({"operation": "now", "timezone": "Europe/Nowhere"}, "timezone"),
        ({"operation": "now", "timezone": "../../etc/passwd"}, "timezone"),
        ({"operation": "now", "timezone": "Europe"}, "timezone"),
    ],
    ids=str,
)
def test_what_is_wrong_names_the_field(parameters: dict[str, Any], field: str) -> None:
    with pytest.raises(NodeError, match=rf"parameters\.{field}: .*\(item 0\)"):
        run("date_time", {}, **parameters)


Moments = st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


@given(Moments, st.sampled_from(get_args(moments.Unit)), st.sampled_from([VIENNA, "America/St_Johns", "UTC"]))
@example(datetime(1998, 10, 25, 3, 0, tzinfo=UTC), "days", "America/St_Johns")  # between the two midnights
def test_a_moment_lies_between_the_rounded_ones(moment: datetime, unit: moments.Unit, zone: str) -> None:
    local = moment.astimezone(ZoneInfo(zone))
    low, high = (moments.rounded(local, unit, direction).astimezone(UTC) for direction in ("down", "up"))
    assert low <= moment <= high
    assert moments.rounded(local, unit, "nearest").astimezone(UTC) in {low, high}


@given(Moments, st.integers(-500, 500), st.sampled_from(["hours", "minutes", "seconds"]))
def test_elapsed_time_is_the_same_there_and_back(moment: datetime, amount: int, unit: moments.Unit) -> None:
    local = moment.astimezone(ZoneInfo(VIENNA))
    there = moments.shifted(local, amount, unit)
    assert moments.between(local, there, unit) == amount
    assert moments.shifted(there, -amount, unit).astimezone(UTC) == moment
