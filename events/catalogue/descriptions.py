"""A sentence for each event type."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

DESCRIPTIONS = {
    "workflow.created": "A workflow was created.",
    "workflow.updated": "A workflow was saved, as a new version.",
    "workflow.deleted": "A workflow was deleted.",
    "workflow.activated": "A workflow was activated: its triggers start executions.",
    "workflow.deactivated": "A workflow was deactivated: its triggers start nothing.",
    "workflow.cloned": "A workflow was made as a copy of another one.",
    "workflow.hook_tested": "A request came to the test URL of a webhook trigger; it started nothing.",
    "execution.queued": "An execution was created and waits for a worker.",
    "execution.started": "A worker took the execution up.",
    "execution.node_started": "A node began, or began its next attempt.",
    "execution.node_completed": "A node ended well, with so many items, in such a time.",
    "execution.node_failed": "A node ended with an error and is not tried again.",
    "execution.node_retrying": "An attempt of a node failed; the next one follows after a delay.",
    "execution.node_skipped": "A node did not run, since nothing reached it.",
    "execution.node_waiting": "A node waits: for a time, a call, a person, another execution or deliveries.",
    "execution.data_flow": "Items went along an edge.",
    "execution.progress": "So many nodes are done, and the rest may take so long.",
    "execution.log": "A node, or the engine, says something.",
    "execution.waiting": "The execution waits, and no worker holds it.",
    "execution.paused": "The execution was paused: no further node starts.",
    "execution.resumed": "The execution goes on.",
    "execution.recovered": "Another worker took the execution over, from its last checkpoint.",
    "execution.cancel_requested": "Somebody asked for cancellation.",
    "execution.completed": "The execution ended well.",
    "execution.failed": "The execution ended with an error.",
    "execution.cancelled": "The execution was cancelled.",
    "execution.timed_out": "The execution took longer than it may, and was ended.",
    "system.startup": "A process of the installation started.",
    "system.shutdown": "A process of the installation ended as it was told to.",
    "system.health_check": "The state of database, Redis and workers changed or was looked at.",
    "system.resource_warning": "Memory, CPU or another resource is running out.",
    "system.queue_status": "How long the queues are.",
    "system.error": "Something in the installation itself failed.",
}


def families(types: Iterable[str]) -> list[dict[str, Any]]:
    """Return types in the order of the catalogue by family, as `{name, types: [{name, description}]}`."""
    return [
        {"name": family, "types": [{"name": name, "description": DESCRIPTIONS[name]} for name in names]}
        for family, names in groupby(types, key=lambda name: name.split(".")[0])
    ]
