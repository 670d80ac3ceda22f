"""Reconciliation: events due = delivered + pending + failed + cancelled, for each endpoint and hour.

The events due are computed from the event history and the subscription at that time, never from deliveries. An hour is
counted again until it is final: long over, with nothing pending. Retention is taken into account: removed deliveries
stay in the counts, the delivery of a removed event counts as due, and a missing delivery that was found earlier stays
listed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min, Q

from events.log import reading
from events.log.partitions import first_id
from webhooks.maintenance import counting
from webhooks.maintenance.counting import HOUR, EndpointHour
from webhooks.models import Delivery, Endpoint, EndpointRevision, HourCount, Origin, Violation, ViolationKind
from webhooks.outbox import fanout
from webhooks.outbox.writing import DeliveryOptions

SETTLED = timedelta(hours=1)
"""An hour is final this long after its end at the earliest: no transaction that writes events lasts longer."""
NEW_HOURS = 6
"""The number of uncounted hours that one sweep counts."""
KEPT = timedelta(days=90)
"""Counts are kept this long, or as long as deliveries. Older hours are not counted: their removed deliveries are
unknown."""
REST = 20.0
"""A sweep rests for this many times its own duration, so that it uses at most a twentieth of a connection."""
LEAST_REST = 30.0
_LOCK = 7_316_024_912  # an arbitrary number, used only here


@dataclass(frozen=True, slots=True)
class Balance:
    """The result of counting one hour of an endpoint."""

    endpoint_id: UUID
    hour: datetime
    due: int
    violations: int
    missing_ids: list[UUID]


def reconcile(hour: datetime, endpoint_id: UUID | None = None) -> list[Balance]:
    """Count an hour at one endpoint or at all, save the counts, and return them.

    The counts of a final hour stay if events of it were removed meanwhile.
    """
    with transaction.atomic():
        lock()
        until = min(hour + HOUR, datetime.now(UTC) - counting.GRACE)
        if until <= hour or hour < horizon():
            return []
        return [_save(hour, each) for each in counting.count(hour, until, endpoint_id)]


def repair(hour: datetime, endpoint_id: UUID | None = None) -> int:
    """Create the missing deliveries of an hour. Returns how many.

    Deleted endpoints and removed events are left out.
    """
    made = 0
    while True:
        with transaction.atomic():
            lacking = {each.endpoint_id: each.missing_ids for each in reconcile(hour, endpoint_id)}
            endpoints = Endpoint.objects.filter(pk__in=[pk for pk, ids in lacking.items() if ids], deleted_at=None)
            now = sum(len(fanout.make_for(e, reading.by_ids(lacking[e.pk]), DeliveryOptions())) for e in endpoints)
            if now:
                reconcile(hour, endpoint_id)
        made += now
        if not now:
            return made


def hours_since(since: datetime) -> Iterator[datetime]:
    """Yield the hours from the one of `since` to the current one."""
    hour = hour_of(max(since, horizon() + HOUR))
    while hour <= datetime.now(UTC) - counting.GRACE:
        yield hour
        hour += HOUR


def horizon() -> datetime:
    """Return the time before which nothing is counted."""
    return datetime.now(UTC) - max(KEPT, timedelta(days=settings.WEBHOOK_HISTORY_RETENTION_DAYS))


def hour_of(moment: datetime) -> datetime:
    """Return the start of the hour of a moment."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


class Sweeper:
    """Keeps the counts up to date. Call `sweep` often; it mostly returns at once."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    def sweep(self) -> list[datetime]:
        """Count a limited number of hours that are due. Returns them."""
        if time.monotonic() < self._rests_until:
            return []
        began = time.monotonic()
        hours = hours_to_count()
        for hour in hours:
            reconcile(hour)
        took = time.monotonic() - began
        self._rests_until = time.monotonic() + max(LEAST_REST, REST * took)
        return hours


def hours_to_count() -> list[datetime]:
    """Return the hours that a sweep counts: new hours, the latest counted ones, and of the older hours that are not
    final the one with the oldest check."""
    now = datetime.now(UTC)
    latest = _latest()
    hours = new_hours(latest, now)
    opened = HourCount.objects.filter(final=False).order_by()
    if latest is not None:
        hours += opened.filter(hour__gte=latest - HOUR).values_list("hour", flat=True).distinct()
    older = opened.exclude(hour__in=hours).values("hour").annotate(looked_at=Min("checked_at")).order_by("looked_at")
    hours += older.values_list("hour", flat=True)[:1]
    return sorted(set(hours))


def catch_up() -> None:
    """Count all hours that have not been counted.

    Call it before other code writes counts, since sweeps continue after the latest count.
    """
    latest = _latest()
    while hours := new_hours(latest, datetime.now(UTC)):
        for hour in hours:
            reconcile(hour)
        before, latest = latest, _latest()
        if latest == before:  # no endpoint was subscribed
            return


def _latest() -> datetime | None:
    latest: datetime | None = HourCount.objects.aggregate(latest=Max("hour"))["latest"]
    return latest


def new_hours(latest: datetime | None, now: datetime) -> list[datetime]:
    """Return the first hours after the latest count with subscriptions and events."""
    after = max(latest + HOUR if latest else horizon(), hour_of(horizon()) + HOUR)
    listened = EndpointRevision.objects.filter(Q(ended_at=None) | Q(ended_at__gt=after), listening=True)
    began = listened.aggregate(first=Min("began_at"))["first"]
    hours: list[datetime] = []
    if began is None:
        return hours
    hour = max(after, hour_of(began))
    with connection.cursor() as cursor:
        while hour <= now - counting.GRACE and len(hours) < NEW_HOURS:
            cursor.execute("SELECT id FROM events_event WHERE id >= %s ORDER BY id LIMIT 1", [first_id(hour)])
            row = cursor.fetchone()
            if row is None:
                break
            hour = hour_of(datetime.fromtimestamp((row[0].int >> 80) / 1000, UTC))
            hours.append(hour)
            hour += HOUR
    return hours


# --- saving ----------------------------------------------------------------------------------------------------------


def lock() -> None:
    """Lock: only one transaction at a time counts, repairs or removes, so that counts are consistent."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _save(hour: datetime, counted: EndpointHour) -> Balance:
    stored = HourCount.objects.filter(endpoint=counted.endpoint_id, hour=hour).first()
    row = stored or HourCount(endpoint_id=counted.endpoint_id, hour=hour)
    removed = row.removed_delivered + row.removed_failed + row.removed_cancelled
    # Some of the events without a delivery had one that was removed. Which ones is unknown, only how many.
    excess = max(0, counted.missing_before - removed)
    due = counted.matched + counted.missing + excess + removed
    if row.final and due < row.due:
        return Balance(counted.endpoint_id, hour, row.due, row.violations, [])
    kept = _save_violations(hour, counted)
    row.due = due + kept
    row.delivered = counted.delivered + row.removed_delivered
    row.pending = counted.pending
    row.failed = counted.failed + row.removed_failed
    row.cancelled = counted.cancelled + row.removed_cancelled
    row.violations = counted.missing + excess + kept + counted.surplus + counted.doubled
    row.checked_at = now = datetime.now(UTC)
    row.final = not counted.pending and hour + HOUR + SETTLED < now
    row.save()
    return Balance(counted.endpoint_id, hour, row.due, row.violations, counted.missing_ids)


def _save_violations(hour: datetime, counted: EndpointHour) -> int:
    """Replace the listed violations. Returns how many missing deliveries stay listed though their event was removed."""
    named = {
        ViolationKind.MISSING: counted.missing_ids,
        ViolationKind.SURPLUS: counted.surplus_ids,
        ViolationKind.DOUBLED: counted.doubled_ids,
    }
    listed = Violation.objects.filter(endpoint=counted.endpoint_id, hour=hour)
    kept = _unresolved(list(listed), counted) if listed.exists() else []
    still = Q(pk__in=kept)
    for kind, ids in named.items():
        still |= Q(kind=kind, event_id__in=ids)
    listed.exclude(still).delete()
    Violation.objects.bulk_create(
        [
            Violation(endpoint_id=counted.endpoint_id, hour=hour, event_id=event_id, kind=kind)
            for kind, ids in named.items()
            for event_id in ids
        ],
        ignore_conflicts=True,
    )
    return len(kept)


def _unresolved(listed: Sequence[Violation], counted: EndpointHour) -> list[int]:
    """Return the listed missing deliveries whose event was removed before they were repaired."""
    lacks = [each for each in listed if each.kind == ViolationKind.MISSING]
    gone = {each.event_id for each in lacks} - set(counted.missing_ids)
    gone -= {UUID(event.id) for event in reading.by_ids(list(gone))}
    made = Delivery.objects.filter(endpoint=counted.endpoint_id, event_id__in=gone, origin=Origin.EVENT)
    gone -= set(made.values_list("event_id", flat=True))
    return [each.pk for each in lacks if each.event_id in gone]
