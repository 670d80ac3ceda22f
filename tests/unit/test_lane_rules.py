"""What a lane may send at a time, and how attempts change it."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhooks.sending.allocation import InFlight, LaneSnapshot, allocate
from webhooks.sending.circuit_breaker import Health, Result, after
from webhooks.sending.claimed_delivery import ReceiverConfig

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WELL, ILL, REFUSED = Result(True, True, 5.0), Result(False, False, 5.0), Result(False, True, 5.0)
NEW = Health(2.0, 0, None, None, 0, 0.0, None, None, None)


def lane(
    window: float = 10, sending: int = 0, failures: int = 0, opened: int = 0, slow_ms: float = 0, **receiver: object
) -> LaneSnapshot:
    made = ReceiverConfig(uuid4(), uuid4(), **receiver)  # type: ignore[arg-type]
    return LaneSnapshot(made, window, failures, opened, slow_ms, 0.0, 1e9, sending)


def claims(
    lanes: list[LaneSnapshot], threads: int = 64, slow: int = 32, held: dict[UUID, InFlight] | None = None
) -> list[int]:
    found, _ = allocate(lanes, held or {}, threads, slow)
    return [found[each.id].claims for each in lanes]


def test_lanes_take_turns_at_the_threads_there_are() -> None:
    assert claims([lane(), lane(), lane(window=1), lane()], threads=10) == [3, 3, 1, 3]


def test_slow_and_failing_lanes_together_hold_at_most_what_is_left_of_half_the_threads() -> None:
    lanes = [lane(slow_ms=5_000), lane(failures=1), lane(slow_ms=900)]
    assert sum(claims(lanes, threads=64, slow=6)[:2]) == 6
    assert claims(lanes, threads=64, slow=0)[2] > 0


def test_a_window_holds_over_all_processes() -> None:
    assert claims([lane(window=4, sending=3)]) == [1]
    assert claims([lane(window=4, sending=4)]) == [0]
    assert claims([lane(window=20, max_concurrent=5, sending=1)]) == [4]


def test_a_process_claims_ahead_of_a_quick_lane_only_while_it_is_alone_with_it() -> None:
    quick = lane(window=10, sending=10, slow_ms=10)
    assert claims([quick], held={quick.id: InFlight(10, 0, 10)}) == [8]
    assert claims([quick], held={quick.id: InFlight(5, 0, 5)}) == [0]
    assert claims([lane(slow_ms=10)]) == [80]
    assert claims([lane(slow_ms=150)]) == [10]


def test_a_breaker_that_was_open_lets_one_attempt_through() -> None:
    assert claims([lane(opened=1, failures=10)]) == [1]
    assert claims([lane(opened=1, failures=10, sending=1)]) == [0]


@settings(deadline=None)  # the machine may be busy
@given(
    st.integers(1, 200),
    st.floats(0.5, 60),
    st.lists(st.tuples(st.floats(0.001, 5), st.integers(1, 30)), min_size=1, max_size=60),
)
def test_no_span_holds_more_attempts_than_a_rate_limit_says(
    limit: int, span: float, looks: list[tuple[float, int]]
) -> None:
    receiver = ReceiverConfig(uuid4(), uuid4(), rate_limit=limit, rate_seconds=span, max_concurrent=1000)
    tokens, now, sent = 0.0, 0.0, deque[float]()
    since = 1e9
    for pause, _ in looks:
        now += pause
        found, again = allocate([LaneSnapshot(receiver, 1000, 0, 0, 0, tokens, since + pause)], {}, 1000, 500)
        since = 0.0
        share = found[receiver.lane_id]
        assert share.tokens is not None
        tokens = share.tokens
        assert again is None or again > 0
        sent.extend([now] * share.claims)
        while sent and sent[0] <= now - span:
            sent.popleft()
        assert len(sent) <= limit


def test_a_rate_limit_is_used_up_and_says_when_it_goes_on() -> None:
    receiver = ReceiverConfig(uuid4(), uuid4(), rate_limit=10, rate_seconds=1.0)
    tokens, total, elapsed, pause = 0.0, 0, 0.0, 1e9
    while elapsed < 20:
        found, again = allocate([LaneSnapshot(receiver, 10, 0, 0, 0, tokens, pause)], {}, 64, 32)
        tokens, total = found[receiver.lane_id].tokens or 0.0, total + found[receiver.lane_id].claims
        assert again is not None
        pause = again + 0.005
        elapsed += pause
    assert 165 <= total <= 200


# --- health -----------------------------------------------------------------------------------------------------------


def change(health: Health, *results: Result, at: datetime = NOW) -> Health:
    return after(health, results, at, 10, 3)


def test_a_window_grows_with_each_success_and_halves_with_each_failure() -> None:
    assert change(NEW, WELL, WELL).window == 4
    assert change(NEW, *[WELL] * 50).window == 10
    assert change(NEW, *[WELL] * 50, ILL).window == 5
    assert change(NEW, ILL, ILL, ILL).window == 1
    assert change(NEW, WELL, REFUSED).window == 3


def test_the_breaker_opens_after_failures_in_a_row_for_longer_each_time_and_closes_with_a_success() -> None:
    assert change(NEW, ILL, ILL, WELL, ILL, ILL).open_until is None
    health = change(NEW, ILL, ILL, ILL)
    pauses, moment = [], NOW
    for _ in range(9):
        assert health.open_until is not None
        pauses.append((health.open_until - moment).total_seconds())
        late = change(health, ILL, at=moment)  # of an attempt that had begun before
        assert late.open_until == health.open_until
        moment = health.open_until + timedelta(seconds=1)
        health = change(health, ILL, at=moment)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    closed = change(health, WELL, at=moment + timedelta(hours=1))
    assert (closed.open_until, closed.opened_times, closed.failures, closed.failing_since) == (None, 0, 0, None)


def test_a_receiver_that_says_no_is_alive_but_not_well() -> None:
    health = change(NEW, *[REFUSED] * 20)
    assert (health.open_until, health.failures, health.failing_since) == (None, 0, NOW)


def test_failing_is_since_the_first_failure_after_a_success() -> None:
    health = change(NEW, ILL)
    health = change(health, ILL, at=NOW + timedelta(days=1))
    assert health.failing_since == NOW


def test_what_a_429_asks_for_holds_for_the_lane_up_to_an_hour() -> None:
    health = change(NEW, Result(False, False, 1.0, 30.0))
    assert health.not_before == NOW + timedelta(seconds=30)
    assert change(health, Result(False, False, 1.0, 10.0)).not_before == health.not_before
    assert change(NEW, Result(False, False, 1.0, 86_400.0)).not_before == NOW + timedelta(hours=1)


@pytest.mark.parametrize("latest", [5.0, 15_000.0])
def test_what_attempts_take_is_averaged(latest: float) -> None:
    steady = change(NEW, *[Result(True, True, 10.0)] * 3)
    assert steady.slow_ms == 10
    assert change(steady, Result(True, True, latest)).slow_ms == pytest.approx(8 + latest / 5)
