"""When a credential or token was used last."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db.models import Q
from django.utils import timezone

RESOLUTION = timedelta(minutes=1)


class Used(Protocol):
    """A row of a model with the column `last_used_at`."""

    pk: Any
    last_used_at: datetime | None
    _default_manager: Any


def note_use(row: Used) -> None:
    """Write `last_used_at`, at most once a minute: otherwise each use would rewrite the row."""
    now = timezone.now()
    stale = now - RESOLUTION
    if row.last_used_at is None or row.last_used_at < stale:
        due = Q(last_used_at__isnull=True) | Q(last_used_at__lt=stale)
        type(row)._default_manager.filter(due, pk=row.pk).update(last_used_at=now)
