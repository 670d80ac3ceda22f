"""Equality of JSON values, and their conversion to numbers and sort keys."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

from executions.nodes.paths import MISSING

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_NUMBER_LENGTH = 400
_INT64, _UINT64 = -(2**63), 2**64
_DIGITS = re.compile(r"([0-9]+)")


def identity(value: Any) -> bytes:
    """Return bytes that are equal for equal JSON values. 1 equals 1.0, and 1e20 the integer of that value, but not true
    or "1"; the order of keys is ignored; MISSING equals only itself."""
    if value is MISSING:
        return b""
    return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # exact, so that numbers are equal if their values are
    if isinstance(value, int) and not _INT64 <= value < _UINT64:
        return orjson.Fragment(str(value))  # no limit of orjson applies
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def number(value: Any) -> int | float | None:
    """Return a number, or a numeric text (`"12.50"`), as a number; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str) or len(value) > _NUMBER_LENGTH or not _NUMBER.fullmatch(value := value.strip()):
        return None
    try:
        return int(value)
    except ValueError:
        return parsed if math.isfinite(parsed := float(value)) else None


def text(value: Any) -> str:
    """Return text as it is, and any other value as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def natural(value: str) -> tuple[Any, ...]:
    """Return a sort key for natural order: `a2` before `a10`."""
    parts: list[Any] = _DIGITS.split(value)
    for index in range(1, len(parts), 2):
        digits = parts[index].lstrip("0")
        parts[index] = (len(digits), digits)
    return tuple(parts)
