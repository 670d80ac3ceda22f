"""When schedules are due, above all where the clocks change: Europe/Berlin and America/New_York, 2026."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from executions.domain.schedule_rule import BadRule, ScheduleRule, checked_cron, checked_timezone

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
ANCHOR = datetime(2026, 1, 1, 12, tzinfo=UTC)


def cron(text: str, zone: str = "UTC") -> ScheduleRule:
    return ScheduleRule(checked_cron(text), None, zone, ANCHOR)


def every(seconds: int) -> ScheduleRule:
    return ScheduleRule(None, seconds, "UTC", ANCHOR)


@contextmanager
def steps_at_most(limit: int) -> Iterator[None]:
    """Fail if more times are looked at while the block runs."""
    looked, times = itertools.count(1), ScheduleRule.times

    def counted(self: ScheduleRule, after: datetime) -> Iterator[datetime]:
        for due in times(self, after):
            assert next(looked) <= limit
            yield due

    with mock.patch.object(ScheduleRule, "times", counted):
        yield


def on_the_wall(rule: ScheduleRule, start: str, count: int = 3, fold: int = 0) -> list[str]:
    """Return the times after the local time `start`, as `day hour:minute offset`."""
    zone = ZoneInfo(rule.timezone)
    after = datetime.fromisoformat(start).replace(tzinfo=zone, fold=fold).astimezone(UTC)
    return [due.astimezone(zone).strftime("%d %H:%M %z") for due in rule.following(after, count)]


@pytest.mark.parametrize(
    ("zone", "eve", "days", "winter", "summer"),
    [
        (BERLIN, "2026-03-28T12:00", ("29", "30"), "+0100", "+0200"),
        (NEW_YORK, "2026-03-07T12:00", ("08", "09"), "-0500", "-0400"),
    ],
)
class TestSpring:
    """02:00 becomes 03:00."""

    def test_a_fixed_time_that_is_skipped_runs_right_after_the_gap(
        self, zone: str, eve: str, days: tuple[str, str], winter: str, summer: str
    ) -> None:
        day, after = days
        assert on_the_wall(cron("30 2 * * *", zone), eve, 2) == [f"{day} 03:00 {summer}", f"{after} 02:30 {summer}"]

    def test_skipped_times_do_not_double_the_time_after_the_gap(
        self, zone: str, eve: str, days: tuple[str, str], winter: str, summer: str
    ) -> None:
        day, after = days
        times = [f"{day} 03:00 {summer}", f"{day} 03:30 {summer}", f"{after} 02:00 {summer}"]
        assert on_the_wall(cron("0,30 2,3 * * *", zone), eve) == times

    def test_a_fixed_time_outside_the_gap_keeps_its_place_on_the_wall(
        self, zone: str, eve: str, days: tuple[str, str], winter: str, summer: str
    ) -> None:
        day, after = days
        times = [f"{day} 01:30 {winter}", f"{after} 01:30 {summer}"]
        assert on_the_wall(cron("30 1 * * *", zone), eve, 2) == times

    def test_a_rule_with_a_star_leaves_the_skipped_hour_out(
        self, zone: str, eve: str, days: tuple[str, str], winter: str, summer: str
    ) -> None:
        day, after = days
        assert on_the_wall(cron("*/30 2 * * *", zone), eve, 1) == [f"{after} 02:00 {summer}"]
        hours = on_the_wall(cron("0 * * * *", zone), f"{eve[:8]}{day}T00:30", 3)
        assert hours == [f"{day} 01:00 {winter}", f"{day} 03:00 {summer}", f"{day} 04:00 {summer}"]


@pytest.mark.parametrize(
    ("zone", "date", "hour", "summer", "winter"),
    [(BERLIN, "2026-10-25", "02", "+0200", "+0100"), (NEW_YORK, "2026-11-01", "01", "-0400", "-0500")],
)
class TestAutumn:
    """The hour `hour` happens twice."""

    def test_a_fixed_time_that_happens_twice_runs_once_at_the_first(
        self, zone: str, date: str, hour: str, summer: str, winter: str
    ) -> None:
        day, after = date[-2:], f"{(int(date[-2:]) + 1):02}"
        times = on_the_wall(cron(f"30 {hour} * * *", zone), f"{date}T00:30", 2)
        assert times == [f"{day} {hour}:30 {summer}", f"{after} {hour}:30 {winter}"]

    @pytest.mark.parametrize("minute", ["15", "45"])
    def test_begun_in_the_second_of_the_hours_it_does_not_go_back_to_the_first(
        self, zone: str, date: str, hour: str, summer: str, winter: str, minute: str
    ) -> None:
        after = f"{(int(date[-2:]) + 1):02}"
        times = on_the_wall(cron(f"30 {hour} * * *", zone), f"{date}T{hour}:{minute}", 1, fold=1)
        assert times == [f"{after} {hour}:30 {winter}"]

    def test_a_rule_with_a_star_runs_in_both_hours(
        self, zone: str, date: str, hour: str, summer: str, winter: str
    ) -> None:
        day = date[-2:]
        times = on_the_wall(cron(f"*/30 {hour} * * *", zone), f"{date}T00:30", 4)
        assert times == [f"{day} {hour}:{minute} {offset}" for offset in (summer, winter) for minute in ("00", "30")]

    def test_an_interval_is_elapsed_time(self, zone: str, date: str, hour: str, summer: str, winter: str) -> None:
        rule = ScheduleRule(None, 3600, zone, ANCHOR)
        start = datetime.fromisoformat(f"{date}T00:30").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        times = rule.following(start, 5)
        assert {b - a for a, b in pairwise(times)} == {timedelta(hours=1)}


def test_an_interval_counts_from_its_anchor_whenever_it_is_asked() -> None:
    rule = every(7)
    for seconds in (0, 0.5, 6.999, 7, 100_000_000):
        due = rule.after(ANCHOR + timedelta(seconds=seconds))
        assert (due - ANCHOR).total_seconds() % 7 == 0
        assert timedelta(0) < due - (ANCHOR + timedelta(seconds=seconds)) <= timedelta(seconds=7)


def test_the_day_of_the_month_and_of_the_week_meet_as_in_cron() -> None:
    either = on_the_wall(cron("0 0 13 * FRI"), "2026-11-01T00:00", 4)
    assert [time[:2] for time in either] == ["06", "13", "20", "27"]
    both = cron("0 0 */13 * FRI").following(datetime(2026, 11, 1, tzinfo=UTC), 2)
    assert [due.date().isoformat() for due in both] == ["2026-11-27", "2027-01-01"]


def test_times_between_are_all_or_the_last_ones() -> None:
    rule, first = every(60), ANCHOR
    assert rule.due_between(first, first + timedelta(seconds=59), 3) == [first]
    until = first + timedelta(minutes=10, seconds=30)
    assert rule.due_between(first, until, 100) == [first + timedelta(minutes=n) for n in range(11)]
    assert rule.due_between(first, until, 3) == [first + timedelta(minutes=n) for n in (8, 9, 10)]


@pytest.mark.parametrize("text", ["* * * * *", "30 2 * * *", "0 0 29 2 *", "0 9 1 * MON", "@hourly"])
@pytest.mark.parametrize("years", [0.001, 1, 9])
def test_a_long_down_time_gives_the_same_times_at_little_cost(text: str, years: float) -> None:
    rule = cron(text, BERLIN)
    first = rule.after(datetime(2020, 1, 1, tzinfo=UTC))
    until = first + timedelta(days=365 * years)
    with steps_at_most(1_000):
        found = rule.due_between(first, until, 100)
    assert found[-1] <= until < rule.after(found[-1])
    assert all(rule.after(a) == b for a, b in pairwise(found))
    assert len(found) == 100 or found[0] == first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "five fields"),
        ("* * * *", "not 4"),
        ("0 0 9 * * *", "interval_seconds"),
        ("61 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day of week"),
        ("* * * * MONDAY", "day of week"),
        ("0 0 30 2 *", "day of month"),
        ("*/0 * * * *", "minute"),
        ("@fortnightly", "@daily"),
        ("{{ $json.cron }} * *", "minute"),
    ],
)
def test_a_bad_cron_rule_is_refused_by_its_field(text: str, said: str) -> None:
    with pytest.raises(BadRule, match=said):
        checked_cron(text)


def test_a_rule_is_kept_in_one_form() -> None:
    assert checked_cron(" 0  9 * * mon-fri ") == "0 9 * * MON-FRI"
    assert checked_cron("@Daily") == "0 0 * * *"


def test_a_time_zone_that_does_not_exist_is_refused_with_the_nearest() -> None:
    assert checked_timezone(BERLIN) == BERLIN
    with pytest.raises(BadRule, match="Did you mean Europe/Berlin"):
        checked_timezone("Europe/Berln")
    for name in ("", "localtime", "../../etc/passwd", "posixrules", "CET+1x"):
        with pytest.raises(BadRule):
            checked_timezone(name)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (every(1), "Every second"),
        (every(60), "Every minute"),
        (every(90), "Every 1 minute 30 seconds"),
        (every(7200), "Every 2 hours"),
        (every(86_400), "Every day"),
        (cron("0 9 * * MON-FRI"), "At 09:00 on Monday through Friday"),
        (cron("30 8,17 * * *"), "At 08:30 and 17:30 every day"),
        (cron("0 0 L * *"), "At 00:00 on the last day of every month"),
        (cron("*/15 * * * *"), "Every 15th minute of every hour"),
        (cron("@yearly"), "At 00:00 on January 1"),
    ],
)
def test_a_rule_is_said_in_words(rule: ScheduleRule, words: str) -> None:
    assert rule.in_words() == words
