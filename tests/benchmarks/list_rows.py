"""Rows for the lists: any number of rows of any model, made in the database.

Values that a benchmark does not give are defaults, and keys that fit each other: row n of a model refers to row n of
another one. Ids begin with the time of their row, as UUIDv7 do.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

DAYS = 30
BEGAN_MS = int(time.time() * 1000)


class RowMaker:
    """Makes `rows` rows of a model, spread over the last DAYS days."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.step_ms = DAYS * 86_400_000 // rows

    def at(self, n: str = "n") -> str:
        """Return SQL for the time of row n, the last one of which is now."""
        return f"(to_timestamp({BEGAN_MS / 1000}) - ({self.rows} - {n}) * interval '{self.step_ms} ms')"

    def uuid(self, n: str = "n") -> str:
        """Return SQL for the id of row n."""
        ms = f"({BEGAN_MS}::bigint - ({self.rows} - {n}) * {self.step_ms}::bigint)"
        return f"(lpad(to_hex({ms}), 12, '0') || '70008000' || lpad(to_hex({n}), 12, '0'))::uuid"

    def fill(self, model: type[models.Model], rows: int | None = None, **given: str) -> None:
        """Insert rows. `given` is SQL for columns, in which `n` counts from 1."""
        began = time.monotonic()
        fields = [field for field in model._meta.concrete_fields if not getattr(field, "generated", False)]
        values = [given.get(str(field.column)) or self._value(field) for field in fields]
        columns = ", ".join(f'"{field.column}"' for field in fields)
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # tables are filled in any order
            cursor.execute("SET synchronous_commit = off")
            cursor.execute(
                f'INSERT INTO "{model._meta.db_table}" ({columns}) SELECT {", ".join(values)}'
                f" FROM generate_series(1, {rows or self.rows}) AS n ON CONFLICT DO NOTHING"
            )
            cursor.execute("SET session_replication_role = DEFAULT")
        print(f"{model._meta.label}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    def _value(self, field: Any) -> str:
        if isinstance(field, models.ForeignKey):
            return "NULL" if field.related_model is field.model or field.null else self._key(field.target_field)
        if field.primary_key or (field.unique and not isinstance(field, models.BooleanField)):
            return self._key(field)
        if field.null:
            return "NULL"
        if isinstance(field, ArrayField):
            return "'{" + ",".join(map(str, field.get_default() or [])) + "}'"
        if isinstance(field, models.BinaryField):
            return "''::bytea"
        if isinstance(field, models.DateTimeField):
            return self.at()
        if isinstance(field, models.JSONField) or "JSON" in type(field).__name__:
            default = field.get_default()
            return f"'{json.dumps({} if default in (None, '') else default)}'"
        if isinstance(field, models.UUIDField):
            return self._key(field)
        if field.choices:
            return f"'{field.get_default() or field.flatchoices[0][0]}'"
        if isinstance(field, models.BooleanField):
            return str(field.get_default() or False)
        if isinstance(field, models.IntegerField | models.FloatField):
            return "(n % 30000)"
        if isinstance(field, models.GenericIPAddressField):
            return "'127.0.0.1'"
        if isinstance(field, models.CharField | models.TextField):
            return f"left('{field.name}-' || n, {field.max_length or 200})"
        default = field.get_default()
        return "'{}'" if default in (None, "", []) else f"'{default}'"

    def _key(self, field: Any) -> str:
        if isinstance(field, models.UUIDField):
            return self.uuid()
        if isinstance(field, models.CharField | models.TextField):
            return f"left('{field.name}-' || n, {field.max_length or 200})"
        return "n + 1000"
