"""A column of JSON that keeps the order of fields and the numbers as they were written."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.expressions import Expression
from psycopg.types.json import Json

from workflow_platform.core import exact_json


class OrderedJSONField(models.JSONField):
    """JSON as text, in PostgreSQL's type `json`. `jsonb` sorts the fields and writes numbers in another form.

    The type has no equality and no containment: only `isnull` and the look-up of fields work in filters, and rows with
    such a column cannot be made distinct.
    """

    def db_type(self, connection: Any) -> str:
        """Return the type of the column."""
        return "json"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Return the value as a parameter."""
        return value if value is None or isinstance(value, Expression) else Json(value, dumps=exact_json.write)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the value of a column, or of a field that a query looked up."""
        return exact_json.read_stored(value) if isinstance(value, str) else value
