"""What each event type means, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any


def _(text: str) -> str:
    """Mark a text for translation. It stays English here and in the API; pages translate it."""
    return text


DESCRIPTIONS = {
    "workflow.created": _("A workflow was created."),
    "workflow.updated": _("A workflow was saved as a new version."),
    "workflow.deleted": _("A workflow was deleted."),
    "workflow.activated": _("A workflow was activated; its triggers start executions."),
    "workflow.deactivated": _("A workflow was deactivated; its triggers no longer start executions."),
    "workflow.cloned": _("A workflow was created as a copy of another workflow."),
    "workflow.static_data_changed": _("A person replaced or reset the static data of a workflow."),
    "workflow.hook_tested": _("A request reached the test URL of a webhook trigger; it started no execution."),
    "execution.queued": _("An execution was created and is waiting to run."),
    "execution.started": _("A worker started the execution."),
    "execution.node_started": _("A node started, or started its next attempt."),
    "execution.node_completed": _("A node completed; the event has its duration and item counts."),
    "execution.node_failed": _("A node failed and will not be retried."),
    "execution.node_retrying": _("An attempt of a node failed; the node will be retried after a delay."),
    "execution.node_skipped": _("A node was skipped because no items reached it."),
    "execution.node_waiting": _("A node is waiting for a time, a call, a person, another execution or deliveries."),
    "execution.held": _("A node failed for good and waits for a person."),
    "execution.released": _("A person answered a hold, or it expired."),
    "execution.data_edited": _("A person edited the data or the definition of a held node."),
    "execution.data_flow": _("Items were passed along an edge."),
    "execution.progress": _("Nodes completed so far, and the remaining time if earlier executions tell it."),
    "execution.log": _("A node or the engine wrote a log line."),
    "execution.waiting": _("The execution is waiting and occupies no worker."),
    "execution.paused": _("The execution was paused; no further nodes start."),
    "execution.resumed": _("The execution resumed."),
    "execution.recovered": _("Another worker took over the execution from its last checkpoint."),
    "execution.cancel_requested": _("Cancellation of the execution was requested."),
    "execution.completed": _("The execution completed."),
    "execution.failed": _("The execution failed."),
    "execution.cancelled": _("The execution was cancelled."),
    "execution.timed_out": _("The execution exceeded its time limit and was ended."),
    "notification.created": _("You have a new notification."),
    "notification.read": _("You marked notifications as read."),
    "insight.raised": _("A bottleneck or an advice was found; the event has its figure."),
    "insight.cleared": _("A bottleneck or an advice no longer applies, or was dismissed or checked."),
    "system.startup": _("A process of the installation started."),
    "system.shutdown": _("A process of the installation shut down."),
    "system.health_check": _("The periodic health of the database, Redis and workers, or a change of it."),
    "system.resource_warning": _("Memory, CPU or another resource is running low."),
    "system.queue_status": _("The current lengths of the queues."),
    "system.error": _("An internal error occurred in the installation."),
}


def families(types: Iterable[str]) -> list[dict[str, Any]]:
    """Return types, in the order of the catalogue, by family, as `{name, types: [{name, description}]}`."""
    return [
        {"name": family, "types": [{"name": name, "description": DESCRIPTIONS[name]} for name in names]}
        for family, names in groupby(types, key=lambda name: name.split(".")[0])
    ]
