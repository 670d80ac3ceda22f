"""Withdraws the unsent deliveries of a cancelled execution, in the same transaction, and reports what was sent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from executions.lifecycle.base import Change
from webhooks import outbox


def withdraw(change: Change) -> None:
    """If the change cancels its execution, withdraw the deliveries and report them in the row and the last event.
    Idempotent: a transaction that was rolled back can be repeated."""
    if change.cancels is None:
        return
    request = withdrawn(change.lease.execution_id, change.cancels)
    if "deliveries" in request:
        change.events[-1].data["deliveries"] = request["deliveries"]
        change.execution_fields["cancel_request"] = request


def withdrawn(execution_id: UUID, request: dict[str, Any]) -> dict[str, Any]:
    """Withdraw the deliveries of an execution whose row is locked. Returns `request` `{reason, by, …}` with
    `deliveries`, the counts over all calls; without it if there are no deliveries."""
    withdrawal = outbox.withdraw(
        [execution_id], f"The execution was cancelled: {request.get('reason') or 'requested.'}"
    )
    before = (request.get("deliveries") or {}).get("withdrawn", 0)
    if not (before or withdrawal.withdrawn or withdrawal.sent or withdrawal.sending):
        return request
    deliveries = {
        "withdrawn": before + withdrawal.withdrawn,
        "arrived": withdrawal.sent,
        "under_way": withdrawal.sending,
        "left": [str(each) for each in withdrawal.left],
    }
    return request | {"deliveries": deliveries}
