"""Schedules after a time in which no scheduler ran: what the policy says happens, and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from executions.domain.schedule_rule import ScheduleRule
from executions.models import Schedule
from executions.triggers import schedules
from executions.triggers.schedules import Firing, plan
from tests.engine import COMMITS
from tests.scheduling import fell_due, scheduled, started
from workflow_platform.installation.embedded import wait_until


@COMMITS
def test_after_a_down_time_skip_leaves_out_what_was_missed() -> None:
    workflow = scheduled(cron="0 0 1 1 *", missed="skip")
    fell_due(workflow, timedelta(days=800))
    assert schedules.fire_due() == 0
    assert started(workflow) == []
    assert workflow.schedules.get().next_at > timezone.now()


@COMMITS
def test_after_a_down_time_run_once_runs_once_for_the_latest_time() -> None:
    workflow = scheduled(cron="0 0 1 1 *", missed="run_once")
    fell_due(workflow, timedelta(days=1200))
    assert schedules.fire_due() == 1
    (item,) = started(workflow)
    assert item["missed"] is True
    assert item["missed_runs"] in {2, 3}
    assert datetime.fromisoformat(item["scheduled_at"]) > timezone.now() - timedelta(days=367)


@COMMITS
def test_after_a_down_time_run_all_runs_each_in_order() -> None:
    workflow = scheduled(interval_seconds=3600, missed="run_all")
    schedule = fell_due(workflow, timedelta(hours=5))
    planned = schedule.rule.due_between(schedule.next_at, timezone.now(), 100)
    assert schedules.fire_due() == len(planned) == 5
    items = started(workflow)
    assert [datetime.fromisoformat(item["scheduled_at"]) for item in items] == planned
    assert [item["missed"] for item in items[:-1]] == [True] * 4


@COMMITS
def test_run_all_is_bounded() -> None:
    workflow = scheduled(interval_seconds=3600, missed="run_all")
    fell_due(workflow, timedelta(days=365))
    wait_until(lambda: schedules.fire_due() == 0, "All that was missed")
    items = started(workflow)
    assert sum(item["missed"] for item in items) == 100
    oldest = datetime.fromisoformat(items[0]["scheduled_at"])
    assert timedelta(hours=99) <= timezone.now() - oldest <= timedelta(hours=102)


@COMMITS
def test_a_scheduler_that_was_away_for_seconds_has_missed_nothing() -> None:
    workflow = scheduled(cron="0 0 1 1 *", missed="skip")
    Schedule.objects.update(next_at=timezone.now() - timedelta(seconds=30))
    assert schedules.fire_due() == 1
    assert started(workflow)[0]["missed"] is False


NOW = datetime(2026, 11, 24, 12, 0, 10, tzinfo=UTC)
MINUTELY = ScheduleRule("* * * * *", None, "UTC", NOW)


def at(minute: int, hour: int = 11) -> datetime:
    return NOW.replace(hour=hour, minute=minute, second=0)


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        ("skip", Firing(at(0, 12), False, 3, at(1, 12))),
        ("run_once", Firing(at(0, 12), False, 3, at(1, 12))),
        ("run_all", Firing(at(57), True, 0, at(58))),
    ],
)
def test_back_just_as_a_run_is_due_that_run_is_on_time(policy: str, first: Firing) -> None:
    assert plan(MINUTELY, policy, at(57), NOW) == first
    assert plan(MINUTELY, policy, at(0, 12), NOW) == Firing(at(0, 12), False, 0, at(1, 12))
