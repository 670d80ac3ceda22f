"""The arithmetic of a replay's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from events.replay.clock import Clock

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def seconds(count: float) -> datetime:
    return AT + timedelta(seconds=count)


@pytest.mark.parametrize(("speed", "wanted"), [(1.0, 3_000.0), (2.0, 5_000.0), (0.5, 2_000.0)])
def test_the_playhead_moves_at_its_speed_from_its_anchor(speed: float, wanted: float) -> None:
    assert Clock(AT, 1_000.0, 0, speed, False).offset_ms(seconds(2)) == wanted


def test_a_paused_playhead_stands_still() -> None:
    clock = Clock(AT, 1_000.0, 4, 2.0, True)
    assert clock.offset_ms(seconds(3600)) == 1_000.0
    assert clock.seconds_until(2_000, AT) is None
    assert clock.moment_of(2_000) is None


def test_a_clock_that_went_back_moves_no_playhead_back() -> None:
    assert Clock(AT, 1_000.0, 0, 2.0, False).offset_ms(seconds(-5)) == 1_000.0


def test_an_event_is_due_when_the_playhead_has_reached_it() -> None:
    clock = Clock(AT, 0.0, 0, 2.0, False)
    assert clock.is_due(5, 4_000, seconds(2))
    assert not clock.is_due(5, 4_001, seconds(2))
    assert clock.seconds_until(5_000, seconds(2)) == 0.5
    assert clock.moment_of(5_000) == seconds(2.5)


def test_of_events_with_the_same_offset_a_paused_replay_shows_those_up_to_its_anchor() -> None:
    clock = Clock(AT, 1_000.0, 7, 1.0, True)
    assert clock.is_due(7, 1_000, AT)
    assert not clock.is_due(8, 1_000, AT)
