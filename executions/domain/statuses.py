"""The statuses of executions and node runs, and the only ways from one to another. Pure: no Django."""

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
        """Tell whether nothing can follow."""
        return not EXECUTION_MOVES[self]


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
        """Tell whether nothing can follow."""
        return not NODE_RUN_MOVES[self]


_E, _N = ExecutionStatus, NodeRunStatus

EXECUTION_MOVES: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    _E.QUEUED: frozenset({_E.RUNNING, _E.PAUSED, _E.CANCELLED, _E.FAILED, _E.TIMED_OUT}),
    _E.RUNNING: frozenset({_E.RUNNING, _E.WAITING, _E.PAUSED, _E.COMPLETED, _E.FAILED, _E.CANCELLED, _E.TIMED_OUT}),
    _E.WAITING: frozenset({_E.RUNNING, _E.PAUSED, _E.CANCELLED, _E.FAILED, _E.TIMED_OUT}),
    _E.PAUSED: frozenset({_E.RUNNING, _E.CANCELLED, _E.FAILED, _E.TIMED_OUT}),
    _E.COMPLETED: frozenset(),
    _E.FAILED: frozenset(),
    _E.CANCELLED: frozenset(),
    _E.TIMED_OUT: frozenset(),
}

NODE_RUN_MOVES: dict[NodeRunStatus, frozenset[NodeRunStatus]] = {
    _N.PENDING: frozenset({_N.RUNNING, _N.SKIPPED, _N.CANCELLED}),
    _N.RUNNING: frozenset({_N.RUNNING, _N.WAITING, _N.COMPLETED, _N.FAILED, _N.CANCELLED}),
    _N.WAITING: frozenset({_N.RUNNING, _N.COMPLETED, _N.FAILED, _N.CANCELLED}),
    _N.COMPLETED: frozenset(),
    _N.FAILED: frozenset(),
    _N.SKIPPED: frozenset(),
    _N.CANCELLED: frozenset(),
}


class IllegalTransition(Exception):
    """A status was to change in a way that the table of moves does not have."""


def check_execution_transition(old: ExecutionStatus, new: ExecutionStatus) -> None:
    """Raise IllegalMove unless an execution may go from `old` to `new`."""
    if new not in EXECUTION_MOVES[old]:
        raise IllegalTransition(f"An execution cannot go from {old} to {new}.")


def check_node_run_transition(old: NodeRunStatus, new: NodeRunStatus) -> None:
    """Raise IllegalMove unless a node run may go from `old` to `new`."""
    if new not in NODE_RUN_MOVES[old]:
        raise IllegalTransition(f"A node run cannot go from {old} to {new}.")
