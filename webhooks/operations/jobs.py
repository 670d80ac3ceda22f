"""The jobs of operations on deliveries. Each transaction saves its slice and the position together, so that a crash
neither repeats nor skips anything."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest

from events.history import history, scanning
from events.history.cursors import Cursor
from webhooks import outbox
from webhooks.models import Operation, OperationKind, OperationState, Origin, Rank
from webhooks.operations import selection
from webhooks.operations.selection import DeliverySelection
from webhooks.outbox import fanout
from webhooks.outbox.writing import DeliveryOptions
from workflow_platform.core.leased_operations import LeasedOperations, OperationStopped, end, save

KIND = "webhook_operation"
SLICE = 500
"""Deliveries of one transaction."""


def _step(operation: Operation, leased: QuerySet[Operation]) -> bool:
    """Do one slice. Returns whether to continue."""
    with transaction.atomic():
        return _replay(operation, leased) if operation.kind == OperationKind.REPLAY else _change(operation, leased)


def _change(operation: Operation, leased: QuerySet[Operation]) -> bool:
    """Recover, redeliver or cancel the next deliveries. Returns whether there may be more."""
    kind, chosen = OperationKind(operation.kind), DeliverySelection.model_validate(operation.chosen)
    scope = [operation.workspace_id]
    deliveries = selection.deliveries(kind, scope, operation.endpoint, chosen, operation.created_at)
    if operation.place:
        deliveries = deliveries.filter(pk__gt=operation.place)
    # A delivery that changes before it is locked is checked again, and skipped if it no longer matches.
    ids = list(deliveries.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)[:SLICE])
    if not ids:
        return _completed(leased)
    if kind == OperationKind.CANCEL:
        result = outbox.cancel(ids, "Cancelled by an operation.", operation.pk)
        done = len(result.cancelled) + len(result.requested)
    else:
        done = len(outbox.redeliver(ids, operation.pk))
    _save(leased, str(ids[-1]), done)
    return len(ids) == SLICE or _completed(leased)


def _replay(operation: Operation, leased: QuerySet[Operation]) -> bool:
    """Create deliveries of the next events. Returns whether there may be more now."""
    endpoint = operation.endpoint
    if endpoint is None or endpoint.deleted_at is not None:
        raise OperationStopped("The endpoint was deleted.")
    event_filter = selection.events(endpoint, DeliverySelection.model_validate(operation.chosen), operation.created_at)
    mark, _, position = operation.place.partition(":")
    # Read before the events: then all transactions that ran when the replay started have ended and are included.
    settled = scanning.safe_before() >= int(mark)
    page = history.read(event_filter, Cursor.parse(position) if position else None, SLICE)
    fanout.make_for(endpoint, page.events, DeliveryOptions(Origin.REPLAY, Rank.LOW, operation.pk))
    _save(leased, f"{mark}:{page.cursor}", len(page.events))
    if page.more:
        return True
    return _completed(leased) if settled else False


def _save(leased: QuerySet[Operation], place: str, done: int) -> None:
    save(leased, place=place, done=F("done") + done)


def _completed(leased: QuerySet[Operation]) -> bool:
    end(leased, OperationState.COMPLETED, left_out=Greatest(F("total") - F("done"), 0))
    return False


_operations = LeasedOperations(KIND, Operation, "endpoint", _step)
enqueue, sweep, work, NEXT_DUE = _operations.enqueue, _operations.sweep, _operations.work, _operations.next_due
