"""Every status change of an execution or node run, with its event. Nothing else assigns a status.

Changes made outside a worker (`creation`, `control`) and claims are committed here, in separate transactions. Changes
made by a running execution (`transitions`) are returned as a `Change`; the recorder commits the changes of many
executions together.
"""

from executions.lifecycle.base import Change, Lease, event, summary, without_response
from executions.lifecycle.claiming import ClaimedExecution, begin, read_new, take_leases
from executions.lifecycle.control import CannotControl, request_cancel, request_pause, request_resume
from executions.lifecycle.creation import (
    CannotStart,
    NewExecution,
    create_execution,
    create_executions,
    key_ahead,
    needs_key_ahead,
    settle_keys,
)
from executions.lifecycle.rerun_copy import OldRun, old_runs
from executions.lifecycle.transitions import (
    cancel_node,
    complete_node,
    end,
    fail_node,
    hand_over,
    hold_node,
    release_node,
    release_paused,
    release_waiting,
    retry_node,
    skip_node,
    start_node,
    wait_node,
)

__all__ = [
    "CannotControl",
    "CannotStart",
    "Change",
    "ClaimedExecution",
    "Lease",
    "NewExecution",
    "OldRun",
    "begin",
    "cancel_node",
    "complete_node",
    "create_execution",
    "create_executions",
    "end",
    "event",
    "fail_node",
    "hand_over",
    "hold_node",
    "key_ahead",
    "needs_key_ahead",
    "old_runs",
    "read_new",
    "release_node",
    "release_paused",
    "release_waiting",
    "request_cancel",
    "request_pause",
    "request_resume",
    "retry_node",
    "settle_keys",
    "skip_node",
    "start_node",
    "summary",
    "take_leases",
    "wait_node",
    "without_response",
]
