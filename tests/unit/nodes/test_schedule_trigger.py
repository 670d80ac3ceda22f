from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from executions.nodes.registry import node_types
from executions.nodes.schedule_trigger import ScheduleTriggerParameters
from tests.unit.nodes.running import run

ITEM = {"scheduled_at": "2026-11-24T08:00:00+00:00"}


def problems(**parameters: Any) -> list[tuple[str, str, str]]:
    return node_types()["schedule_trigger"].check_parameters(parameters)


def test_its_item_is_the_planned_time() -> None:
    assert run("schedule_trigger", ITEM, cron="0 9 * * *").outputs == {"main": [ITEM]}


def test_run_by_hand_it_tells_the_time() -> None:
    before = datetime.now(UTC)
    ((item,),) = run("schedule_trigger", cron="0 9 * * *", timezone="Europe/Berlin").outputs.values()
    assert item["scheduled_at"] == item["fired_at"]
    assert (item["missed"], item["missed_runs"], item["timezone"]) == (False, 0, "Europe/Berlin")
    assert before - timedelta(seconds=1) <= datetime.fromisoformat(item["local_time"]) <= datetime.now(UTC)


def test_a_rule_or_an_interval_is_enough() -> None:
    assert problems(cron="@daily") == []
    assert problems(interval_seconds=1, timezone="America/New_York", missed="run_all") == []
    assert ScheduleTriggerParameters(cron="@daily").model_dump() == {
        "cron": "0 0 * * *",
        "interval_seconds": None,
        "timezone": "UTC",
        "missed": "skip",
    }


@pytest.mark.parametrize(
    ("parameters", "field", "said"),
    [
        ({}, "interval_seconds", "one of cron and interval_seconds"),
        ({"cron": "* * * * *", "interval_seconds": 5}, "interval_seconds", "not both"),
        ({"cron": "* * * *"}, "cron", "five fields"),
        ({"cron": "0 25 * * *"}, "cron", "hour"),
        ({"cron": "1," * 150}, "cron", "200"),
        ({"cron": 5}, "cron", "text"),
        ({"cron": "{{ $json.rule }}"}, "cron", "cannot contain expressions"),
        ({"interval_seconds": 0}, "interval_seconds", "1"),
        ({"interval_seconds": 0.5}, "interval_seconds", "whole number"),
        ({"interval_seconds": 366 * 86_400 + 1}, "interval_seconds", "31622400"),
        ({"interval_seconds": "{{ 60 }}"}, "interval_seconds", "cannot contain expressions"),
        ({"interval_seconds": 60, "timezone": "Mars/Olympus"}, "timezone", "no time zone"),
        ({"interval_seconds": 60, "missed": "never"}, "missed", "run_once"),
        ({"interval_seconds": 60, "often": True}, "often", "Unknown parameter"),
    ],
)
def test_what_is_no_schedule_is_refused_by_its_field(parameters: dict[str, Any], field: str, said: str) -> None:
    ((path, _, message),) = problems(**parameters)
    assert path == f"parameters.{field}"
    assert said in message
