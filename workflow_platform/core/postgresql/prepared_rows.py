"""Rows of a model from a prepared statement: the ORM takes longer to write a statement than PostgreSQL to run it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Generic, TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


class RowsOf(Generic[M]):
    """The columns of a model for a SELECT, and its instances from their values."""

    def __init__(self, model: type[M], alias: str, without: Collection[str] = ()) -> None:
        """`alias` is what the statement calls the table; the fields `without` are read when they are first used."""
        fields = [field for field in model._meta.concrete_fields if field.attname not in without]
        self._model, self._names = model, [field.attname for field in fields]
        conversions = ((n, getattr(field, "from_db_value", None)) for n, field in enumerate(fields))
        self._conversions = [(n, convert) for n, convert in conversions if convert is not None]
        self.columns = ", ".join(f"{alias}.{field.column}" for field in fields)

    def __len__(self) -> int:
        return len(self._names)

    def instance(self, values: Sequence[Any]) -> M:
        """Return the instance of a row."""
        row = list(values)
        for n, convert in self._conversions:
            row[n] = convert(row[n], None, connection)
        return self._model.from_db(connection.alias, self._names, row)
