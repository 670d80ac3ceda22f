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
        elif isinstance(value, list) and _is_index(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def _is_index(part: str) -> bool:
    return part.isdecimal() and len(part) <= _INDEX_DIGITS


def with_value(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of the item with a value at a path. Missing objects are created, and null counts as missing; a
    number is the index of a list that exists. Raises NodeError if the path leads through any other value."""
    head, dot, rest = path.partition(".")
    if path in item or not dot:
        return {**item, path: value}
    return {**item, head: _with_value(item.get(head), head, rest, path, value)}


def _with_value(inner: Any, head: str, rest: str, path: str, value: Any) -> Any:
    if inner is None:
        inner = {}
    if isinstance(inner, dict):
        return with_value(inner, rest, value)
    if isinstance(inner, list):
        part, dot, further = rest.partition(".")
        if _is_index(part) and (index := int(part)) <= len(inner):
            old = inner[index] if index < len(inner) else None
            new = _with_value(old, part, further, path, value) if dot else value
            return [*inner[:index], new, *inner[index + 1 :]]
        raise NodeError(f"{path!r} cannot be set: {head!r} is a list of {len(inner)}, and {part!r} no index of it.")
    raise NodeError(f"{path!r} cannot be set: {head!r} exists and is not an object.")


def without(item: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a copy of the item without the field at a path. Elements of lists stay."""
    head, dot, rest = path.partition(".")
    if path in item or not dot:
        return {name: value for name, value in item.items() if name != path}
    inner = item.get(head)
    return {**item, head: without(inner, rest)} if isinstance(inner, dict) else item


def as_field(value: Any) -> Any:
    """Return `{field: value}` for a text: a list of fields may hold their names only."""
    return {"field": value} if isinstance(value, str) else value


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
