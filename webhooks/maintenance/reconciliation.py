"""Whether nothing was lost: events due = delivered + pending + failed + cancelled, for each endpoint and hour.

What was due is found anew, from history and from what the endpoint wanted to hear at that time, and not from what was
made. An hour is counted again until it is final: long over, with nothing pending. What retention removes, events or
deliveries, is allowed for: removed deliveries stay in the figures; where an event is gone, nobody can tell any more
whether it was due, so its delivery counts as due, and a lack that was found before stays on the list.
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
from webhooks.maintenance.counting import HOUR, Counted
from webhooks.models import Delivery, Endpoint, EndpointRevision, HourCount, Origin, Violation, ViolationKind
from webhooks.outbox import fanout
from webhooks.outbox.writing import Manner

SETTLED = timedelta(hours=1)
"""An hour is final so long after its end at the earliest: no transaction that writes events lasts longer."""
NEW_HOURS = 6
"""Of those not counted yet, so many are counted in one sweep."""
KEPT = timedelta(days=90)
"""Counts are kept for so long, or as long as deliveries, and nothing older is counted: without them nobody would know
what retention has removed."""
REST = 20.0
"""A sweep is followed by a rest of so many times what it took: it costs a twentieth of one connection at most."""
LEAST_REST = 30.0
_LOCK = 7_316_024_912  # any number that nobody else takes


@dataclass(frozen=True, slots=True)
class Balance:
    """An endpoint's hour, as it was found."""

    endpoint_id: UUID
    hour: datetime
    due: int
    violations: int
    missing_ids: list[UUID]


def reconcile(hour: datetime, endpoint_id: UUID | None = None) -> list[Balance]:
    """Count an hour at one endpoint or at all, and save what was found. Returns it.

    Figures of an hour that is final stay, where by now events of it have been removed.
    """
    with transaction.atomic():
        lock()
        until = min(hour + HOUR, datetime.now(UTC) - counting.GRACE)
        if until <= hour or hour < horizon():
            return []
        return [_save(hour, each) for each in counting.count(hour, until, endpoint_id)]


def repair(hour: datetime, endpoint_id: UUID | None = None) -> int:
    """Make the deliveries that are missing in an hour. Returns how many.

    Not where the endpoint was deleted, or the event is gone by now.
    """
    made = 0
    while True:
        with transaction.atomic():
            lacking = {each.endpoint_id: each.missing_ids for each in reconcile(hour, endpoint_id)}
            endpoints = Endpoint.objects.filter(pk__in=[pk for pk, ids in lacking.items() if ids], deleted_at=None)
            now = sum(len(fanout.make_for(e, reading.by_ids(lacking[e.pk]), Manner())) for e in endpoints)
            if now:
                reconcile(hour, endpoint_id)
        made += now
        if not now:
            return made


def hours_since(since: datetime) -> Iterator[datetime]:
    """Yield the hours from that in which `since` lies up to the present one."""
    hour = hour_of(max(since, horizon() + HOUR))
    while hour <= datetime.now(UTC) - counting.GRACE:
        yield hour
        hour += HOUR


def horizon() -> datetime:
    """Return before when nothing is counted."""
    return datetime.now(UTC) - max(KEPT, timedelta(days=settings.WEBHOOK_HISTORY_RETENTION_DAYS))


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour in which a moment lies."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


class Sweeper:
    """Keeps the counts up to date. Call `sweep` often; mostly it rests."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    def sweep(self) -> list[datetime]:
        """Count the hours that are due, a bounded number of them. Returns which."""
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
    """Return the hours that a sweep counts: those that have come since the last one, the latest that were counted, and
    of the older ones that are not final the one that was not looked at for the longest time."""
    now = datetime.now(UTC)
    latest = _latest()
    found = new_hours(latest, now)
    opened = HourCount.objects.filter(final=False).order_by()
    if latest is not None:
        found += opened.filter(hour__gte=latest - HOUR).values_list("hour", flat=True).distinct()
    older = opened.exclude(hour__in=found).values("hour").annotate(looked_at=Min("checked_at")).order_by("looked_at")
    found += older.values_list("hour", flat=True)[:1]
    return sorted(set(found))


def catch_up() -> None:
    """Count whatever hour has not been counted yet, however many there are.

    Before something else writes counts: the latest one is where sweeps go on.
    """
    latest = _latest()
    while hours := new_hours(latest, datetime.now(UTC)):
        for hour in hours:
            reconcile(hour)
        before, latest = latest, _latest()
        if latest == before:  # nobody listened, so that there is nothing to count
            return


def _latest() -> datetime | None:
    found: datetime | None = HourCount.objects.aggregate(latest=Max("hour"))["latest"]
    return found


def new_hours(latest: datetime | None, now: datetime) -> list[datetime]:
    """Return the first hours after the latest count in which somebody listened and something happened."""
    after = max(latest + HOUR if latest else horizon(), hour_of(horizon()) + HOUR)
    listened = EndpointRevision.objects.filter(Q(ended_at=None) | Q(ended_at__gt=after), listening=True)
    began = listened.aggregate(first=Min("began_at"))["first"]
    found: list[datetime] = []
    if began is None:
        return found
    hour = max(after, hour_of(began))
    with connection.cursor() as cursor:
        while hour <= now - counting.GRACE and len(found) < NEW_HOURS:
            cursor.execute("SELECT id FROM events_event WHERE id >= %s ORDER BY id LIMIT 1", [first_id(hour)])
            row = cursor.fetchone()
            if row is None:
                break
            hour = hour_of(datetime.fromtimestamp((row[0].int >> 80) / 1000, UTC))
            found.append(hour)
            hour += HOUR
    return found


# --- saving ----------------------------------------------------------------------------------------------------------


def lock() -> None:
    """Let one transaction at a time count, repair or remove, so that figures are those of one moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _save(hour: datetime, counted: Counted) -> Balance:
    found = HourCount.objects.filter(endpoint=counted.endpoint_id, hour=hour).first()
    row = found or HourCount(endpoint_id=counted.endpoint_id, hour=hour)
    removed = row.removed_delivered + row.removed_failed + row.removed_cancelled
    # Of those without a delivery so many had one. Which of them lacks one from the beginning, nobody can say.
    excess = max(0, counted.missing_before - removed)
    due = counted.standing + counted.missing + excess + removed
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


def _save_violations(hour: datetime, counted: Counted) -> int:
    """List what was found in place of what is listed. Returns how many lacks stay though their event is gone."""
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


def _unresolved(listed: Sequence[Violation], counted: Counted) -> list[int]:
    """Return the lacks on the list whose event has been removed since, without having been made good."""
    lacks = [each for each in listed if each.kind == ViolationKind.MISSING]
    gone = {each.event_id for each in lacks} - set(counted.missing_ids)
    gone -= {UUID(event.id) for event in reading.by_ids(list(gone))}
    made = Delivery.objects.filter(endpoint=counted.endpoint_id, event_id__in=gone, origin=Origin.EVENT)
    gone -= set(made.values_list("event_id", flat=True))
    return [each.pk for each in lacks if each.event_id in gone]
