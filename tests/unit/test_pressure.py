"""A figure is above its limit after a while, and below it again after a while: never to and fro."""

from __future__ import annotations

import pytest

from executions.workers.resource_limits import RELEASE, WINDOW, LimitedMedian, Pressure


def gauge() -> LimitedMedian:
    return LimitedMedian("memory", "MB", 100)


def test_a_short_peak_is_nothing_to_stop_for() -> None:
    found = gauge()
    for sample in [*[50.0] * WINDOW, 500.0]:
        found.take(sample)
    assert not found.above


def test_an_average_above_the_limit_is_told_once() -> None:
    found = gauge()
    assert [found.take(101) for _ in range(WINDOW * 2)].count(True) == 1
    assert found.above


def test_it_has_to_fall_well_below_the_limit_to_recover() -> None:
    found = gauge()
    for _ in range(WINDOW):
        found.take(101)
    for _ in range(WINDOW):
        found.take(100 * RELEASE + 1)
    assert found.above
    for _ in range(WINDOW):
        found.take(100 * RELEASE - 1)
    assert not found.above


def test_only_an_idle_worker_with_full_windows_below_its_limits_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    busy: list[bool] = []
    pressure = Pressure("worker", lambda: bool(busy), lambda: None)
    for _ in range(WINDOW - 1):
        pressure.look()
    assert not pressure.is_quiet
    pressure.look()
    assert pressure.is_quiet
    busy.append(True)
    assert not pressure.is_quiet
    busy.clear()
    pressure.memory.above = True
    assert not pressure.is_quiet
