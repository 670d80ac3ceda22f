"""What the packages of `executions` register with each other and with the apps below, once at the start."""

from __future__ import annotations

from events.retention import cleanup
from executions import credentials, retention
from executions.admission import admission, after_commit
from executions.engine import node_deliveries
from executions.waits import completion
from webhooks.sending import outcomes
from workflow_platform.core.secrets import encrypted_columns


def connect() -> None:
    """Register the work after a commit, the cleanup of executions, and the end of awaited deliveries."""
    encrypted_columns.register("credentials", credentials.rotate)
    after_commit.register(after_commit.FOLLOW_UP, completion.follow_up_all)
    after_commit.register(after_commit.ADMIT, admission.admit)
    after_commit.register(after_commit.DELIVERIES, node_deliveries.go_on_with_what_was_heard)
    outcomes.on_end(node_deliveries.hear)
    cleanup.register(cleanup.Owner("execution", retention.prune, retention.weigh))
