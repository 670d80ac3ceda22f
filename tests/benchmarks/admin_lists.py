"""The lists of the admin site over long tables: each model has ADMIN_ROWS rows (1,000,000), and its list is opened
plain, searched for a text that nothing has, and filtered by each filter. The figure is the time in the server.

ADMIN_MODELS names the models to fill and to open; by default all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.reporting import Report

ROUNDS = 3
BEGAN_MS = int(time.time() * 1000)
OWN: dict[str, dict[str, str]] = {
    "schedule": {"cron": "'* * * * *'", "interval_seconds": "NULL"},
    "retentionpolicy": {"days": "30"},
    "delivery": {"status": "CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'delivered' END", "ended_at": "now()"},
    "execution": {"status": "CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'completed' END", "ended_at": "now()"},
    "violation": {"kind": "'missing'"},
}
"""Values that differ from the usual ones: what constraints demand, and what makes lists longer."""


def run(folder: Path, report: Report) -> None:
    """Fill, measure and report."""
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], check=True)
    import django

    django.setup()
    from django.contrib import admin
    from django.db import connection
    from django.test import Client

    from workflow_platform.core.accounts.models import User

    rows = int(os.environ.get("ADMIN_ROWS", "1000000"))
    wanted = os.environ.get("ADMIN_MODELS", "").lower().split()
    models = [model for model in admin.site._registry if model._meta.managed and model._meta.app_label != "django_rq"]
    models = [model for model in models if not wanted or model._meta.model_name in wanted]
    models = [model for model in models if model._meta.model_name != "cleanupstate"]  # it has one row
    staff = User.objects.create_superuser("root", password="a long enough password")
    for model in models:
        began = time.monotonic()
        _fill(model, rows)
        print(f"{model._meta.label}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    client = Client()
    client.force_login(staff)
    for model in models:
        taken = {kind: _measured(client, address) for kind, address in _addresses(model)}
        slowest = max(taken, key=lambda kind: taken[kind])
        name = f"admin_lists.{model._meta.label_lower}"
        report(name, "ms", taken["plain"], slowest=slowest, slowest_ms=round(taken[slowest], 1))


def _addresses(model: Any) -> Iterator[tuple[str, str]]:
    """Yield a name and an address for each way to open the list."""
    from django.contrib import admin
    from django.urls import reverse

    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    yield "plain", path
    yield "text", f"{path}?q=no+such+thing"
    yield "id", f"{path}?q=0190e4a2-7c1f-7000-8000-000000000000"
    site = admin.site._registry[model]
    for chosen in site.list_filter:
        if isinstance(chosen, str):
            choices = [value for value, _ in model._meta.get_field(chosen).flatchoices] or [1]
            for value in choices:
                yield f"{chosen}={value}", f"{path}?{chosen}__exact={value}"
        elif isinstance(chosen, tuple):
            yield f"{chosen[0]} empty", f"{path}?{chosen[0]}__isempty=0"
        else:
            yield str(chosen.parameter_name), f"{path}?{chosen.parameter_name}=week"


def _measured(client: Any, address: str) -> float:
    """Return the milliseconds until the page is complete."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = client.get(address)
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise AssertionError(f"{address} answered {answer.status_code}: {answer.content[:300]!r}")
    return median(taken)


def _fill(model: Any, rows: int) -> None:
    from django.db import connection

    fields = [field for field in model._meta.concrete_fields if not field.generated]
    values = [OWN.get(model._meta.model_name, {}).get(field.name) or _value(field) for field in fields]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the tables are filled in any order
        cursor.execute(
            f'INSERT INTO "{model._meta.db_table}" ({columns}) SELECT {", ".join(values)}'
            f" FROM generate_series(1000, {999 + rows}) AS n ON CONFLICT DO NOTHING"
        )
        cursor.execute("SET session_replication_role = DEFAULT")


def _value(field: Any) -> str:
    """Return SQL for the value of a column in row n: keys that fit each other, and defaults."""
    from django.db import models

    if isinstance(field, models.ForeignKey):
        return "NULL" if field.related_model is field.model else _key(field.target_field)
    if field.primary_key or (field.unique and not isinstance(field, models.BooleanField)):
        return _key(field)
    if field.null:
        return "NULL"
    if isinstance(field, models.BinaryField):
        return "''::bytea"
    if isinstance(field, models.DateTimeField):
        return "now() - (1001000 - n) * interval '1 ms'"
    if isinstance(field, models.JSONField) or "JSON" in type(field).__name__:
        default = field.get_default()
        return f"'{json.dumps({} if default in (None, '') else default)}'"
    if isinstance(field, models.UUIDField):
        return _key(field)
    if field.choices:
        return f"'{field.get_default() or field.flatchoices[0][0]}'"
    if isinstance(field, models.BooleanField):
        return str(field.get_default() or False)
    if isinstance(field, models.IntegerField | models.FloatField):
        return "n"
    if isinstance(field, models.GenericIPAddressField):
        return "'127.0.0.1'"
    if isinstance(field, models.CharField | models.TextField):
        return f"left('{field.name}-' || n, {field.max_length or 200})"
    default = field.get_default()
    return "'{}'" if default in (None, "", []) else f"'{default}'"


def _key(field: Any) -> str:
    from django.db import models

    if isinstance(field, models.UUIDField):
        base = BEGAN_MS - 1_001_000
        return f"(lpad(to_hex({base} + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid"
    if isinstance(field, models.CharField | models.TextField):
        return f"'{field.name}-' || n"
    return "n"
