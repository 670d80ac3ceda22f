"""The statuses of executions and node runs, and the allowed transitions between them. Pure: no Django."""

from __future__ import annotations

from enum import StrEnum


class ExecutionStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def ended(self) -> bool:
        """Return whether the status is final."""
        return not EXECUTION_TRANSITIONS[self]


class NodeRunStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Return whether the status is final."""
        return not NODE_RUN_TRANSITIONS[self]


_E, _N = ExecutionStatus, NodeRunStatus

EXECUTION_TRANSITIONS: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    _E.QUEUED: frozenset({_E.RUNNING, _E.PAUSED, _E.CANCELLED, _E.FAILED, _E.TIMED_OUT}),
    _E.RUNNING: frozenset({_E.RUNNING, _E.WAITING, _E.PAUSED, _E.COMPLETED, _E.FAILED, _E.CANCELLED, _E.TIMED_OUT}),
    _E.WAITING: frozenset({_E.RUNNING, _E.PAUSED, _E.CANCELLED, _E.FAILED, _E.TIMED_OUT}),
    _E.PAUSED: frozenset({_E.RUNNING, _E.CANCELLED, _E.FAILED, _E.TIMED_OUT}),
    _E.COMPLETED: frozenset(),
    _E.FAILED: frozenset(),
    _E.CANCELLED: frozenset(),
    _E.TIMED_OUT: frozenset(),
}

NODE_RUN_TRANSITIONS: dict[NodeRunStatus, frozenset[NodeRunStatus]] = {
    _N.PENDING: frozenset({_N.RUNNING, _N.SKIPPED, _N.CANCELLED}),
    _N.RUNNING: frozenset({_N.RUNNING, _N.WAITING, _N.COMPLETED, _N.FAILED, _N.CANCELLED}),
    _N.WAITING: frozenset({_N.RUNNING, _N.COMPLETED, _N.FAILED, _N.CANCELLED}),
    _N.COMPLETED: frozenset(),
    _N.FAILED: frozenset(),
    _N.SKIPPED: frozenset(),
    _N.CANCELLED: frozenset(),
}


class IllegalTransition(Exception):
    """The transition tables do not allow this change of status."""


def check_execution_transition(old: ExecutionStatus, new: ExecutionStatus) -> None:
    """Raise IllegalTransition unless an execution may change from `old` to `new`."""
    if new not in EXECUTION_TRANSITIONS[old]:
        raise IllegalTransition(f"An execution cannot change from {old} to {new}.")


def check_node_run_transition(old: NodeRunStatus, new: NodeRunStatus) -> None:
    """Raise IllegalTransition unless a node run may change from `old` to `new`."""
    if new not in NODE_RUN_TRANSITIONS[old]:
        raise IllegalTransition(f"A node run cannot change from {old} to {new}.")
