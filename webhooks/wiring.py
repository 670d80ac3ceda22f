"""What the packages of `webhooks` register with the apps below, once at the start."""

from __future__ import annotations

from events import bus
from events.replay import receivers
from webhooks import dispatcher, metrics, outbox
from webhooks.endpoints import lifecycle
from webhooks.maintenance import removal
from webhooks.models import Delivery, Endpoint
from webhooks.operations import jobs as operation_jobs
from webhooks.operations import replays
from webhooks.sending import outcomes
from webhooks.sending.sender import deliver
from webhooks.validation import DELIVERED
from workflow_platform.core import jobs
from workflow_platform.core.accounts import removal as workspaces
from workflow_platform.core.metrics import exposition
from workflow_platform.core.secrets import encrypted_columns


def connect() -> None:
    """Write deliveries with the events that every process appends; register jobs and encrypted columns."""
    subscribe()
    jobs.register(dispatcher.KIND, deliver, "high")
    jobs.register(operation_jobs.KIND, operation_jobs.work, "low")
    receivers.register(replays.ReplayDeliveries())
    outcomes.on_end(replays.report_ends)
    exposition.register(metrics.families)
    workspaces.register(workspaces.ContentOwner(2, lifecycle.close_all, removal.remove, removal.CONTENTS))
    encrypted_columns.register_column("endpoints", Endpoint, "sealed")
    encrypted_columns.register_column("ad-hoc deliveries", Delivery, "sealed")


def subscribe() -> None:
    """Write the outbox's deliveries in the transactions of the events of workspaces."""
    bus.subscribe(outbox.deliver_events, DELIVERED, when="in_transaction", batches=True, name="webhooks.outbox")
