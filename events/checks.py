"""System checks of the database: `manage.py check --database default`, and before every `migrate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connection

from events import partitions


@register(Tags.database)
def check_partitions(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn where the events of today or tomorrow have no partition."""
    if not databases or partitions.TABLE not in connection.introspection.table_names():
        return []
    said = partitions.warning_about(partitions.partitions())
    return [Warning(said, hint="`manage.py run_scheduler` makes them.", id="events.W001")] if said else []
