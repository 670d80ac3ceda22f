"""What must be true of the database: `manage.py check --database default`, and before every `migrate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from events.log import partitions, transactions


@register(Tags.database)
def check_partitions(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn where the events of today or tomorrow have no partition."""
    if not databases or partitions.TABLE not in connection.introspection.table_names():
        return []
    said = partitions.warning_about(partitions.partitions())
    return [Warning(said, hint="`manage.py run_scheduler` creates them.", id="events.W001")] if said else []


@register(Tags.database)
def check_event_order(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Return an error if the data come from another cluster, whose transactions had higher numbers."""
    if connection.alias not in (databases or ()) or not _is_set_up():
        return []
    found = transactions.status()
    if not found.behind:
        return []
    said = (
        f"Events have transaction numbers up to {found.greatest}, and this database has only reached {found.next}: it"
        " was restored from a dump of another one. Those events could not be read, and new ones would come before them."
    )
    return [Error(said, hint="Run `manage.py repair_event_order`; it takes less than a second.", id="events.E001")]


def _is_set_up() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regprocedure('events_safe_before()') IS NOT NULL")
        return bool(cursor.fetchone()[0])
