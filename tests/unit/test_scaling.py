"""When a worker more is started and when one is stopped."""

from __future__ import annotations

from executions.workers.autoscaling import BETWEEN_STARTS_SECONDS, WAIT_SECONDS, Load, ScalingRule

IDLE = 30.0


def rule(minimum: int = 1, maximum: int = 4, cores: int = 8) -> ScalingRule:
    return ScalingRule(minimum, maximum, slots=2, idle_seconds=IDLE, cores=cores)


def waiting(workers: int = 1, seconds: float = WAIT_SECONDS, cpu: float = 10.0, suspended: bool = False) -> Load:
    return Load(workers, workers * 2, 5, seconds, cpu, suspended)


def idle(workers: int, running: int = 0) -> Load:
    return Load(workers, running, 0, 0.0, 10.0)


def test_one_more_is_started_when_an_execution_has_waited_for_a_place() -> None:
    decision = rule().decide(waiting(), 0)
    assert decision is not None
    assert decision.change == 1
    assert "5 executions wait for a place, the first for 2.0 s" in decision.reason


def test_a_short_wait_is_nothing() -> None:
    assert rule().decide(waiting(seconds=WAIT_SECONDS / 2), 0) is None


def test_a_new_worker_has_time_to_take_what_waits_before_the_next_is_started() -> None:
    looks = rule()
    assert looks.decide(waiting(), 0) is not None
    assert looks.decide(waiting(2), BETWEEN_STARTS_SECONDS - 1) is None
    assert looks.decide(waiting(2), BETWEEN_STARTS_SECONDS) is not None


def test_there_are_never_more_than_the_most() -> None:
    assert rule(maximum=3).decide(waiting(3), 0) is None


def test_workers_beyond_the_cores_are_started_only_while_the_cpu_has_room() -> None:
    assert rule(cores=2).decide(waiting(1, cpu=99), 0) is not None
    assert rule(cores=2).decide(waiting(2, cpu=99), 0) is None
    assert rule(cores=2).decide(waiting(2, cpu=50), 0) is not None


def test_suspended_workers_get_no_company() -> None:
    assert rule().decide(waiting(suspended=True), 0) is None


def test_one_is_stopped_after_there_has_been_room_for_long() -> None:
    looks = rule()
    assert looks.decide(idle(3), 0) is None
    assert looks.decide(idle(3), IDLE - 1) is None
    decision = looks.decide(idle(3), IDLE)
    assert decision is not None
    assert decision.change == -1
    assert looks.decide(idle(2), IDLE + 1) is None, "the next one only after as long again"
    assert looks.decide(idle(2), IDLE * 2) is not None


def test_a_load_in_between_begins_the_time_anew() -> None:
    looks = rule()
    looks.decide(idle(2), 0)
    looks.decide(idle(2, running=3), IDLE - 1)
    assert looks.decide(idle(2), IDLE + 1) is None


def test_there_are_never_fewer_than_the_least() -> None:
    looks = rule(minimum=2)
    looks.decide(idle(2), 0)
    assert looks.decide(idle(2), IDLE * 10) is None
