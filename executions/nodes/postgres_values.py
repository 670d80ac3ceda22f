"""Conversion of PostgreSQL values to JSON, and of JSON values to query parameters.

| PostgreSQL | JSON |
|---|---|
| smallint, integer, real, double precision | number; NaN and infinities as text |
| bigint | number, or text above 2**53 - 1, where JavaScript would round it |
| numeric | text, which is always exact |
| date, time, timestamp | ISO 8601 text; timestamptz in UTC |
| interval | ISO 8601 text, such as PT90S |
| bytea | base64 text |
| json, jsonb | unchanged |
| arrays | lists |
| other types (uuid, inet, ranges, composite…) | text in PostgreSQL's format |
"""

from __future__ import annotations

import base64
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.adapt import Loader
from psycopg.types.json import Jsonb, set_json_loads

from workflow_platform.core import exact_json

_EXACT = 2**53
_AS_TEXT = ("interval", "inet", "cidr")


class _Text(Loader):
    def load(self, data: Any) -> str:
        return bytes(data).decode()


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Register the loaders of a connection that `as_json` relies on. The encoding is UTF-8."""
    for name in (*_AS_TEXT, *(range_.name for range_ in connection.adapters.types if range_.name.endswith("range"))):
        connection.adapters.register_loader(name, _Text)
    set_json_loads(_read_json, connection)


def _read_json(text: str | bytes) -> Any:
    try:
        return exact_json.read(text)
    except exact_json.NotJson as error:
        raise psycopg.DataError(f"a value of type json cannot be read: {error}") from None


def as_json(value: Any) -> Any:
    """Convert a value that psycopg has loaded to JSON, by the table above."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    if isinstance(value, dict):
        return value
    return str(value) if isinstance(value, UUID) else f"{value}"


def as_parameter(value: Any) -> Any:
    """Convert a JSON value to a parameter: objects and lists with objects to jsonb, other lists to arrays."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value)):
        return Jsonb(value)
    return value
