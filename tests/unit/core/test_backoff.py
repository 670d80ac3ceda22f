"""Delays between retries."""

from __future__ import annotations

import pytest

from workflow_platform.core.backoff import around, exponential, shortened


def test_delays_grow_by_the_factor_up_to_the_longest() -> None:
    assert [exponential(retry, 1, 10) for retry in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert [exponential(retry, 0.1, 60, 3) for retry in (1, 2, 3)] == pytest.approx([0.1, 0.3, 0.9])
    assert exponential(1, 20, 10) == 10


def test_the_number_of_retries_has_no_limit() -> None:
    assert exponential(100_000, 0.5, 60) == 60
    assert exponential(100_000, 0.5, 60, 10.0) == 60


@pytest.mark.parametrize(("jitter", "shortest"), [(0.5, 5), (1, 0), (0.1, 9), (0, 10)])
def test_chance_shortens_a_delay_by_at_most_the_jitter(jitter: float, shortest: float) -> None:
    assert shortened(10, jitter, chance=0) == pytest.approx(shortest)
    assert shortened(10, jitter, chance=1) == pytest.approx(10)
    assert all(shortest - 1e-9 <= shortened(10, jitter) <= 10 + 1e-9 for _ in range(1_000))


def test_delays_of_clients_that_failed_together_differ() -> None:
    assert len({shortened(10) for _ in range(100)}) > 50


def test_an_interval_is_longer_or_shorter_by_at_most_the_jitter() -> None:
    assert around(10, 0.2, chance=0) == pytest.approx(8)
    assert around(10, 0.2, chance=0.5) == pytest.approx(10)
    assert around(10, 0.2, chance=1) == pytest.approx(12)
    assert all(8 - 1e-9 <= around(10, 0.2) <= 12 + 1e-9 for _ in range(1_000))
