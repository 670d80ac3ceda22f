"""Registers the callbacks of the packages of `executions` with each other and with other apps, once at the start."""

from __future__ import annotations

from events.retention import cleanup
from executions import credentials, metrics, removal, retention, rollups
from executions.admission import admission, after_commit
from executions.bulk import jobs as bulk_jobs
from executions.engine import node_deliveries
from executions.models import Execution
from executions.notifications import emails
from executions.otlp import material
from executions.waits import completion
from webhooks.sending import log_context, outcomes, traceparents
from workflow_platform.core import jobs
from workflow_platform.core.accounts import removal as workspaces
from workflow_platform.core.metrics import exposition
from workflow_platform.core.secrets import encrypted_columns


def connect() -> None:
    """Register the work after commits, the cleanup of executions, and what deliveries need to know of them."""
    encrypted_columns.register("credentials", credentials.rotate)
    after_commit.register(after_commit.FOLLOW_UP, completion.follow_up_all)
    after_commit.register(after_commit.ADMIT, admission.admit)
    after_commit.register(after_commit.DELIVERIES, node_deliveries.resume_ended)
    outcomes.on_end(node_deliveries.on_deliveries_ended)
    log_context.find_traces_with(Execution.find_trace_id)
    traceparents.find_contexts_with(material.contexts)
    jobs.register(bulk_jobs.KIND, bulk_jobs.work, "low")
    jobs.register(emails.KIND, emails.work, "low")
    jobs.register(workspaces.KIND, workspaces.work, "low")
    workspaces.register(workspaces.ContentOwner(1, removal.close, removal.remove, removal.CONTENTS))
    exposition.register(metrics.families)
    cleanup.read_before(rollups.advance)
    cleanup.register(cleanup.Owner("execution", retention.prune, retention.prune_tests, retention.weigh))
