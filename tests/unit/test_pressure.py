"""A figure is above its limit after a while, and below it again after a while: never to and fro."""

from __future__ import annotations

from executions.workers.resource_limits import RELEASE, WINDOW, LimitedMedian


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
