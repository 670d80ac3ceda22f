"""What each event type means, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

DESCRIPTIONS = {
    "workflow.created": "A workflow was created.",
    "workflow.updated": "A workflow was saved as a new version.",
    "workflow.deleted": "A workflow was deleted.",
    "workflow.activated": "A workflow was activated; its triggers start executions.",
    "workflow.deactivated": "A workflow was deactivated; its triggers no longer start executions.",
    "workflow.cloned": "A workflow was created as a copy of another workflow.",
    "workflow.static_data_changed": "A person replaced or reset the static data of a workflow.",
    "workflow.hook_tested": "A request reached the test URL of a webhook trigger; it started no execution.",
    "execution.queued": "An execution was created and is waiting to run.",
    "execution.started": "A worker started the execution.",
    "execution.node_started": "A node started, or started its next attempt.",
    "execution.node_completed": "A node completed; the event has its duration and item counts.",
    "execution.node_failed": "A node failed and will not be retried.",
    "execution.node_retrying": "An attempt of a node failed; the node will be retried after a delay.",
    "execution.node_skipped": "A node was skipped because no items reached it.",
    "execution.node_waiting": "A node is waiting for a time, a call, a person, another execution or deliveries.",
    "execution.data_flow": "Items were passed along an edge.",
    "execution.progress": "Nodes completed so far, and the remaining time if earlier executions tell it.",
    "execution.log": "A node or the engine wrote a log line.",
    "execution.waiting": "The execution is waiting and occupies no worker.",
    "execution.paused": "The execution was paused; no further nodes start.",
    "execution.resumed": "The execution resumed.",
    "execution.recovered": "Another worker took over the execution from its last checkpoint.",
    "execution.cancel_requested": "Cancellation of the execution was requested.",
    "execution.completed": "The execution completed.",
    "execution.failed": "The execution failed.",
    "execution.cancelled": "The execution was cancelled.",
    "execution.timed_out": "The execution exceeded its time limit and was ended.",
    "notification.created": "You have a new notification.",
    "notification.read": "You marked notifications as read.",
    "system.startup": "A process of the installation started.",
    "system.shutdown": "A process of the installation shut down.",
    "system.health_check": "The periodic health of the database, Redis and workers, or a change of it.",
    "system.resource_warning": "Memory, CPU or another resource is running low.",
    "system.queue_status": "The current lengths of the queues.",
    "system.error": "An internal error occurred in the installation.",
}


def families(types: Iterable[str]) -> list[dict[str, Any]]:
    """Return types, in the order of the catalogue, by family, as `{name, types: [{name, description}]}`."""
    return [
        {"name": family, "types": [{"name": name, "description": DESCRIPTIONS[name]} for name in names]}
        for family, names in groupby(types, key=lambda name: name.split(".")[0])
    ]
