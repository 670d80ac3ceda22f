"""Checks of the database: `manage.py check --database default`, and before every `migrate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from events.log import partitions, transactions


@register(Tags.database)
def check_partitions(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Return a warning if today or tomorrow has no partition."""
    if not databases or partitions.TABLE not in connection.introspection.table_names():
        return []
    message = partitions.warning_about(partitions.partitions())
    return [Warning(message, hint="`manage.py run_scheduler` makes them.", id="events.W001")] if message else []


@register(Tags.database)
def check_event_order(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Return an error if the data come from another cluster, whose transactions had higher numbers."""
    if connection.alias not in (databases or ()) or not _is_set_up():
        return []
    numbers = transactions.status()
    if not numbers.behind:
        return []
    message = (
        f"Events have transaction numbers up to {numbers.greatest}, but the next number of this database is"
        f" {numbers.next}: it was restored from a dump of another cluster. Those events cannot be read, and new events"
        " would be ordered before them."
    )
    return [Error(message, hint="Run `manage.py repair_event_order`; it takes less than a second.", id="events.E001")]


def _is_set_up() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regprocedure('events_safe_before()') IS NOT NULL")
        return bool(cursor.fetchone()[0])
