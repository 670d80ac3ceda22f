"""What code changed in static data, and how it meets the change of another execution."""

from __future__ import annotations

from executions.domain.static_data import StaticChange, change_between


def test_only_the_fields_that_differ_are_a_change() -> None:
    before = {"same": {"a": [1]}, "changed": 1, "removed": True, "kind": 1}
    after = {"same": {"a": [1]}, "changed": 2, "added": None, "kind": True}
    change = change_between("", before, after)
    assert change == StaticChange("", {"changed": 2, "added": None, "kind": True}, frozenset({"removed"}))
    assert change_between("", before, dict(before)) is None


def test_fields_that_another_execution_changed_meanwhile_stay() -> None:
    change = StaticChange("", {"mine": 1}, frozenset({"old"}))
    assert change.applied_to({"theirs": 2, "mine": 0, "old": 3}) == {"theirs": 2, "mine": 1}
