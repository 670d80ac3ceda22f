"""Fields of items by path: `customer.name`, `lines.0.price`. A field whose name is the whole path takes precedence."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Final

from pydantic import StringConstraints

from executions.domain.errors import NodeError

FieldPath = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_INDEX_DIGITS = 9


class Missing(Enum):
    """The field does not exist, which differs from a field that is null."""

    MISSING = 0


MISSING: Final = Missing.MISSING


def read(item: dict[str, Any], path: str) -> Any:
    """Return the value at a path, or MISSING. Numbers are list indexes from 0."""
    if path in item:
        return item[path]
    value: Any = item
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and len(part) <= _INDEX_DIGITS and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def with_value(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of the item with a value at a path; missing objects are created. Raises NodeError if the path leads
    through a value that is not an object."""
    head, dot, rest = path.partition(".")
    if path in item or not dot:
        return {**item, path: value}
    inner = item.get(head, {})
    if not isinstance(inner, dict):
        raise NodeError(f"{path!r} cannot be set: {head!r} exists and is not an object.")
    return {**item, head: with_value(inner, rest, value)}


def text_at(item: dict[str, Any], path: str, parameter: str, index: int, limit: int) -> str:
    """Return the text at a path. Raises NodeError that names the parameter if it is missing, not text, or too long."""
    value = read(item, path)
    if not isinstance(value, str):
        problem = "missing" if value is MISSING else "not text"
        raise NodeError(f"parameters.{parameter}: {path!r} is {problem} (item {index}).")
    if len(value) > limit:
        raise NodeError(
            f"parameters.{parameter}: {path!r} has {len(value)} characters; the limit is {limit} (item {index})."
        )
    return value
