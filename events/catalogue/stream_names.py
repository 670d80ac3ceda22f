"""Names of streams, and which of an event's sequences counts in which stream. Pure."""

from __future__ import annotations

FEED = "executions"
"""Name of the one stream that carries the lifecycle events of all executions."""

SYSTEM = "system"
"""Name of the stream of system events, such as problems of workers. For staff only."""
EXECUTION = "execution:"
WORKFLOW = "workflow:"
"""The prefix of workflow streams: the workflow's events, and the lifecycle events of its executions."""
USER = "user:"
"""The prefix of users' streams: what happens to their notifications. Only the user may see it."""
WORKSPACE = "workspace:"
"""The prefix of workspaces' streams: the insights of a workspace, for its members."""


def sequence_field(stream_name: str) -> str:
    """Return the field of Event that holds the sequence in this stream."""
    if stream_name == FEED:
        return "feed_sequence"
    return "workflow_sequence" if stream_name.startswith(WORKFLOW) else "sequence"
