"""Retention of notifications: as long as events are kept."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from events.log.partitions import first_id
from events.retention.models import RetentionPolicy
from events.retention.retention import RetentionTerms
from executions.models import Notification, NotificationEmail

CHUNK = 1_000


def sweep() -> int:
    """Delete the notifications that are older than the events of their workspace are kept. Returns how many."""
    keep = RetentionTerms.of_settings().keep
    rows = RetentionPolicy.objects.values_list("workspace_id", "days")
    policies = {workspace: days for workspace, days in rows if days is not None}
    deleted = _delete(Notification.objects.exclude(workspace__in=policies), keep)
    for workspace, days in policies.items():
        deleted += _delete(Notification.objects.filter(workspace=workspace), timedelta(days=days))
    _delete_emails(keep)
    return deleted


def _delete_emails(keep: timedelta) -> None:
    expired = NotificationEmail.objects.filter(pk__lt=first_id(timezone.now() - keep)).order_by("pk")
    while ids := list(expired.values_list("pk", flat=True)[:CHUNK]):
        NotificationEmail.objects.filter(pk__in=ids).delete()


def _delete(rows: QuerySet[Notification], keep: timedelta) -> int:
    expired = rows.filter(pk__lt=first_id(timezone.now() - keep)).order_by("pk")
    deleted = 0
    while ids := _next(expired):
        deleted += Notification.objects.filter(pk__in=ids).delete()[0]
    return deleted


def _next(expired: QuerySet[Notification]) -> list[UUID]:
    return list(expired.values_list("pk", flat=True)[:CHUNK])
