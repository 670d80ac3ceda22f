"""When a workflow begins to fail and when it has recovered."""

from __future__ import annotations

from itertools import product

from executions.domain.workflow_health import after_end

ENDS = [
    list(ends)
    for length in range(7)
    for ends in product(["completed", "failed", "timed_out", "cancelled"], repeat=length)
]
"""Every way in which up to six executions can end."""


def turns(ends: list[str]) -> list[tuple[int, str, int]]:
    """Return the turns of a workflow: at which end, which, and the failures until then."""
    failures, seen = 0, []
    for index, ended_as in enumerate(ends):
        change = after_end(failures, ended_as)
        if change.turn:
            seen.append((index, change.turn, change.before))
        failures = change.failures
    return seen


def test_the_first_failure_and_the_first_success_after_failures_are_turns() -> None:
    ends = ["completed", "failed", "timed_out", "cancelled", "failed", "completed", "completed", "failed"]
    assert turns(ends) == [(1, "failed", 0), (5, "recovered", 3), (7, "failed", 0)]


def test_the_very_first_execution_may_fail() -> None:
    assert turns(["failed", "failed"]) == [(0, "failed", 0)]


def test_cancelled_executions_say_nothing() -> None:
    assert turns(["cancelled", "failed", "cancelled", "cancelled"]) == [(1, "failed", 0)]


def test_failures_and_recoveries_take_turns() -> None:
    for ends in ENDS:
        kinds = [kind for _, kind, _ in turns(ends)]
        assert kinds == ["failed", "recovered"] * (len(kinds) // 2) + ["failed"] * (len(kinds) % 2)


def test_a_recovery_counts_every_failure_since_the_last_success() -> None:
    for ends in ENDS:
        for index, kind, before in turns(ends):
            if kind == "recovered":
                earlier = [end for end in ends[:index] if end != "cancelled"]
                assert all(end != "completed" for end in earlier[-before:])
                assert len(earlier) == before or earlier[-before - 1] == "completed"
