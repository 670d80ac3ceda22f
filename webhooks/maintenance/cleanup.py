"""Retention of deliveries, attempts and inbound requests: by age and by number. Unended deliveries are never removed.

It works in short transactions and can be killed at any time; the next run continues. Each transaction adds the removed
rows to the counts of their hours (`HourCount`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from webhooks.maintenance import reconciliation
from webhooks.models import (
    Delivery,
    DeliveryAttempt,
    Endpoint,
    HourCount,
    InboundRequest,
    Lane,
    Operation,
    SeenMessage,
    Violation,
)
from webhooks.models.delivery import UNENDED
from workflow_platform.core.leases import only_one

BATCH = 1_000
"""Rows of one transaction."""
_LOCK = 7_316_024_913  # an arbitrary number, used only here


_FAR = 2**37 * 1000
"""In milliseconds (the year 6325): no event is later."""


@dataclass(frozen=True, slots=True)
class DeliveryRetention:
    """How long ended deliveries are kept, and the maximum of attempts and of inbound requests (0: unlimited)."""

    keep: timedelta
    max_attempts: int

    @classmethod
    def of_settings(cls) -> DeliveryRetention:
        """Return the terms of the settings."""
        return cls(timedelta(days=settings.WEBHOOK_HISTORY_RETENTION_DAYS), settings.WEBHOOK_HISTORY_MAX_ATTEMPTS)

    @property
    def cutoff(self) -> datetime:
        """Return the time before which ended rows are removed."""
        return datetime.now(UTC) - self.keep


@dataclass(slots=True)
class RemovedRows:
    """The number of removed rows of each kind."""

    deliveries: int = 0
    attempts: int = 0
    inbound_requests: int = 0
    seen_messages: int = 0
    operations: int = 0
    hours: int = 0
    lanes: int = 0
    """Lanes of hosts of ad-hoc deliveries."""
    endpoints: int = 0
    """Deleted endpoints without deliveries."""

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was removed."""
        return not any(asdict(self).values())


def clean_up(terms: DeliveryRetention | None = None) -> RemovedRows:
    """Remove everything that retention does not keep. Raises leases.AlreadyRunning."""
    terms = terms or DeliveryRetention.of_settings()
    with only_one(_LOCK):
        reconciliation.catch_up()  # so that the hours of all removed rows are counted
        removed = RemovedRows()
        _remove_old(terms.cutoff, removed)
        _remove_surplus(terms.max_attempts, removed)
        _remove_inbound(terms, removed)
        _remove_other_rows(terms.cutoff, removed)
        return removed


def forecast(terms: DeliveryRetention | None = None) -> RemovedRows:
    """Return how many deliveries, attempts and inbound requests `clean_up` would remove."""
    terms = terms or DeliveryRetention.of_settings()
    old = Delivery.objects.filter(ended_at__lt=terms.cutoff)
    deliveries, attempts = old.count(), DeliveryAttempt.objects.filter(delivery__in=old).count()
    if terms.max_attempts:
        surplus = DeliveryAttempt.objects.count() - attempts - terms.max_attempts
        more = _oldest(surplus, terms.cutoff, None)
        deliveries, attempts = deliveries + len(more), attempts + sum(count for _, count in more)
    old_requests = InboundRequest.objects.filter(received_at__lt=terms.cutoff).count()
    requests = InboundRequest.objects.count()
    too_many = requests - terms.max_attempts if terms.max_attempts else 0
    seen = SeenMessage.objects.filter(seen_at__lt=terms.cutoff).count()
    return RemovedRows(deliveries, attempts, max(old_requests, too_many), seen)


# --- deliveries ------------------------------------------------------------------------------------------------------


def _remove_old(cutoff: datetime, removed: RemovedRows) -> None:
    while ids := list(
        Delivery.objects.filter(ended_at__lt=cutoff).order_by("ended_at").values_list("pk", flat=True)[:BATCH]
    ):
        if not _remove(ids, removed):
            return


def _remove_surplus(most: int, removed: RemovedRows) -> None:
    """Remove the deliveries that ended first, until the number of attempts is within the maximum."""
    surplus = DeliveryAttempt.objects.count() - most if most else 0
    while surplus > 0:
        before = removed.attempts
        oldest = _oldest(surplus, None, BATCH)
        if not _remove([pk for pk, _ in oldest], removed):
            return
        surplus -= removed.attempts - before


def _oldest(attempts: int, since: datetime | None, most: int | None) -> list[tuple[UUID, int]]:
    """Return the deliveries that ended first (from `since` on) and together have this many attempts, each with its
    number of attempts; at most `most` of them."""
    if attempts <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, n FROM (SELECT d.id, a.n, d.ended_at, sum(a.n) OVER (ORDER BY d.ended_at, d.id) - a.n AS before"
            "  FROM (SELECT id, ended_at FROM webhooks_delivery WHERE ended_at IS NOT NULL"
            "   AND (%(since)s::timestamptz IS NULL OR ended_at >= %(since)s::timestamptz)"
            "   ORDER BY ended_at, id LIMIT %(most)s) d"
            "  CROSS JOIN LATERAL (SELECT count(*) AS n FROM webhooks_deliveryattempt WHERE delivery_id = d.id) a"
            " ) found"
            " WHERE before < %(attempts)s ORDER BY ended_at, id",
            {"since": since, "attempts": attempts, "most": most},
        )
        return [(pk, int(count)) for pk, count in cursor.fetchall()]


@transaction.atomic
def _remove(ids: Sequence[UUID], removed: RemovedRows) -> int:
    """Remove ended deliveries with their attempts. Returns how many; redelivered ones stay."""
    if not ids:
        return 0
    reconciliation.lock()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM webhooks_delivery WHERE id IN (SELECT id FROM webhooks_delivery WHERE id = ANY(%s)"
            " AND ended_at IS NOT NULL ORDER BY id FOR UPDATE) RETURNING id, endpoint_id, event_id, origin, status",
            [list(ids)],
        )
        rows = cursor.fetchall()
        cursor.execute("DELETE FROM webhooks_deliveryattempt WHERE delivery_id = ANY(%s)", [[pk for pk, *_ in rows]])
        removed.attempts += cursor.rowcount
    _note_hours([(e, event, status) for _, e, event, origin, status in rows if origin == "event" and e and event])
    removed.deliveries += len(rows)
    return len(rows)


def _note_hours(rows: Sequence[tuple[UUID, UUID, str]]) -> None:
    """Add removed deliveries to the counts of their hours."""
    by_hour: dict[tuple[UUID, datetime], list[tuple[UUID, str]]] = {}
    there = set(Endpoint.objects.filter(pk__in={endpoint for endpoint, _, _ in rows}).values_list("pk", flat=True))
    for endpoint, event, status in rows:
        milliseconds = event.int >> 80
        if endpoint in there and milliseconds < _FAR:
            hour = reconciliation.hour_of(datetime.fromtimestamp(milliseconds / 1000, UTC))
            by_hour.setdefault((endpoint, hour), []).append((event, status))
    for (endpoint, hour), removed_here in by_hour.items():
        statuses = Counter(status for _, status in removed_here)
        last = max(event for event, _ in removed_here)
        counted: dict[str, Any] = {
            f"removed_{status}": statuses[status] for status in ("delivered", "failed", "cancelled")
        }
        # For an hour without a count, only the removed deliveries are known.
        as_new = {
            "due": len(removed_here),
            "pending": 0,
            **{s: statuses[s] for s in ("delivered", "failed", "cancelled")},
        }
        row, made = HourCount.objects.get_or_create(
            endpoint_id=endpoint, hour=hour, defaults=as_new | counted | {"removed_to": last}
        )
        if not made:
            HourCount.objects.filter(pk=row.pk).update(
                removed_to=max(last, row.removed_to or last), **{name: F(name) + n for name, n in counted.items()}
            )


# --- other rows ----------------------------------------------------------------------------------------------------


def remove_deliveries(ids: Sequence[UUID]) -> int:
    """Remove ended deliveries with their attempts. Returns how many."""
    return _remove(ids, RemovedRows())


def remove_requests(rows: QuerySet[InboundRequest]) -> int:
    """Remove the first BATCH of these inbound requests. Returns how many."""
    return _delete(rows)


def _remove_inbound(terms: DeliveryRetention, removed: RemovedRows) -> None:
    """Remove old requests and messages, and the oldest requests beyond the maximum."""
    old = Q(received_at__lt=terms.cutoff)
    while count := _delete(InboundRequest.objects.filter(old).order_by("pk")):
        removed.inbound_requests += count
    too_many = InboundRequest.objects.count() - terms.max_attempts if terms.max_attempts else 0
    while too_many > 0 and (count := _delete(InboundRequest.objects.order_by("pk"), min(BATCH, too_many))):
        removed.inbound_requests, too_many = removed.inbound_requests + count, too_many - count
    while count := _delete(SeenMessage.objects.filter(seen_at__lt=terms.cutoff).order_by("seen_at")):
        removed.seen_messages += count


def _remove_other_rows(cutoff: datetime, removed: RemovedRows) -> None:
    """Remove old operations, hours, lanes of hosts and deleted endpoints."""
    while count := _delete(Operation.objects.filter(ended_at__lt=cutoff).order_by("pk")):
        removed.operations += count
    horizon = reconciliation.horizon()
    Violation.objects.filter(hour__lt=horizon).delete()
    while count := _delete(HourCount.objects.filter(hour__lt=horizon).order_by("pk")):
        removed.hours += count
    # If a delivery is created for a lane at the same time, the sweep creates the lane again (`sending.lanes`).
    while count := _delete(_idle_lanes(cutoff)):
        removed.lanes += count
    for endpoint in Endpoint.objects.filter(deleted_at__lt=cutoff):
        if not Delivery.objects.filter(endpoint=endpoint).exists():
            endpoint.delete()
            removed.endpoints += 1


def _idle_lanes(cutoff: datetime) -> QuerySet[Lane]:
    """Return the lanes of hosts without attempts since the cutoff and without unended deliveries."""
    waiting = Delivery.objects.filter(lane_id=OuterRef("pk"), status__in=UNENDED)
    since = Q(succeeded_at__gte=cutoff) | Q(failed_at__gte=cutoff) | Q(tokens_at__gte=cutoff)
    return Lane.objects.filter(~Exists(waiting), endpoint=None).exclude(since).order_by("pk")


@transaction.atomic
def _delete(rows: Any, most: int = BATCH) -> int:
    """Delete the first rows. Returns how many."""
    ids = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True)[:most])
    if ids:
        rows.model.objects.filter(pk__in=ids)._raw_delete(connection.alias)
    return len(ids)
