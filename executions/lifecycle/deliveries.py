"""Cancelling an execution takes back what it would still send, in the same transaction, and says what had left."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from executions.lifecycle.base import Change
from webhooks import outbox


def withdraw(change: Change) -> None:
    """Withdraw the deliveries of an execution that the change ends as cancelled, and have its rows and its last event
    say so. Done again, for a transaction that was not committed, it comes to the same."""
    if change.cancels is None:
        return
    request = withdrawn(change.lease.execution_id, change.cancels)
    if "deliveries" in request:
        change.events[-1].data["deliveries"] = request["deliveries"]
        change.execution_fields["cancel_request"] = request


def withdrawn(execution_id: UUID, request: dict[str, Any]) -> dict[str, Any]:
    """Withdraw the execution's deliveries, whose row is locked. Returns `request` `{reason, by, …}` with
    `deliveries`: what became of them, over all calls; without it if there were none."""
    found = outbox.withdraw([execution_id], f"The execution was cancelled: {request.get('reason') or 'asked for.'}")
    before = (request.get("deliveries") or {}).get("withdrawn", 0)
    if not (before or found.withdrawn or found.sent or found.sending):
        return request
    deliveries = {
        "withdrawn": before + found.withdrawn,
        "arrived": found.sent,
        "under_way": found.sending,
        "left": [str(each) for each in found.left],
    }
    return request | {"deliveries": deliveries}
