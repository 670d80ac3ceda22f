"""Reads and writes JSON by one rule for numbers and texts, at every door and inside. No Django.

The order of fields is kept. Integers from -2^63 to 2^64 - 1 are exact; all other numbers are doubles. A number beyond
the doubles is not JSON here. Half surrogates become U+FFFD, and a byte order mark is ignored. docs/numbers-and-order.md
explains the rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any

import orjson

LEAST, MOST = -(2**63), 2**64 - 1
"""The integers that are exact."""
BOM = "\ufeff".encode()
_HALF_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")
_TOO_LARGE = "number is infinity when parsed as double"
_WHOLE_PLAIN, _WHOLE_WITH_EXPONENT = re.compile(rb"\.0[,}\]]"), re.compile(rb"e\+?[0-9]+[,}\]]")
"""How doubles that are whole numbers end. Two patterns: each begins with a literal, which is fast."""
_NO_FLOATS = frozenset({str, int, bool, type(None)})
_WHOLE = re.compile(rb"[0-9]\.0|[0-9]e\+")
_PADDED_BELOW = 1e21
"""JavaScript writes whole numbers below this without an exponent."""


class NotJson(ValueError):
    """The text is not JSON; the message says why, and at which line and column."""


def read(text: bytes | str) -> Any:
    """Return the value of a JSON text from outside or inside. Raises NotJson."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        refused = error
    mended = _mended(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    if mended is not None:
        try:
            return orjson.loads(mended)
        except orjson.JSONDecodeError as error:
            refused = error
    message = str(refused)
    if message.startswith(_TOO_LARGE):
        message = f"the number is too large (the largest is about 1.8e308){message.removeprefix(_TOO_LARGE)}"
    raise NotJson(message) from None


def read_stored(text: bytes | str) -> Any:
    """Return the value of a JSON text that the database accepted. Numbers beyond the doubles, which versions before
    this rule stored, are None."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return normal(json.loads(text, parse_int=_stored_number, parse_float=_stored_number))


def write(value: Any, *, default: Callable[[Any], Any] | None = None, option: int = 0) -> bytes:
    """Return a value as JSON text. Raises TypeError for what JSON cannot express. Like `JSON.stringify`, it writes null
    for NaN and infinite numbers."""
    try:
        return orjson.dumps(value, default=default, option=option)
    except TypeError:
        return orjson.dumps(normal(value), default=default, option=option)


def normal(value: Any) -> Any:
    """Return a copy of a value made by Python in which `write` needs no second try: integers that are too large are
    doubles, texts have no half surrogates. Raises TypeError for an integer beyond the doubles."""
    try:
        return _normal(value)
    except RecursionError:
        raise TypeError("The value is nested too deeply") from None


def well_formed(text: str) -> str:
    """Return the text with each half surrogate replaced by U+FFFD; two halves of one character become the character."""
    if _HALF.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def javascript_text(value: Any) -> str:
    """Return JSON as `JSON.stringify` writes it, but with exact integers: 1.0 is `1`, 1e20 `100000000000000000000`."""
    text = orjson.dumps(value)
    if _WHOLE.search(text) is None:
        return text.decode()
    return orjson.dumps(_with_javascript_numbers(value)).decode()


def canonical(value: dict[str, Any] | list[Any]) -> bytes:
    """Return JSON text that is the same for equal values: fields sorted, no spaces, whole numbers without a fraction or
    exponent, so that 1 equals 1.0 and -0 equals 0. Raises TypeError for what `orjson.dumps` does not write."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    if _WHOLE_PLAIN.search(text) is None and _WHOLE_WITH_EXPONENT.search(text) is None:
        return text
    return orjson.dumps(_with_whole_numbers(value), option=orjson.OPT_SORT_KEYS)


def _with_whole_numbers(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {name: v if type(v) in _NO_FLOATS else _with_whole_numbers(v) for name, v in value.items()}
    if kind is list or kind is tuple:
        return [v if type(v) in _NO_FLOATS else _with_whole_numbers(v) for v in value]
    if kind is float and value.is_integer():
        value = int(value)
        return value if LEAST <= value <= MOST else orjson.Fragment(str(value))
    return value


def _mended(data: bytes) -> bytes | None:
    """Return JSON without what orjson refuses and RFC 8259 lets receivers accept; None if there is none of it."""
    changed = data.removeprefix(BOM)
    try:
        changed.decode()
    except UnicodeDecodeError:
        try:  # halves that were encoded on their own
            changed = well_formed(changed.decode("utf-8", "surrogatepass")).encode()
        except UnicodeDecodeError:
            return None
    if _HALF_ESCAPED.search(changed) is not None:
        changed = _with_whole_characters(changed)
    return None if changed == data else changed


def _with_whole_characters(data: bytes) -> bytes:
    """Return JSON in which no escape stands for a half surrogate; the data unchanged if it is not JSON."""
    try:  # these take halves, and run in C
        text = json.dumps(json.loads(data), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return data
    return well_formed(text).encode()


def _with_javascript_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_javascript_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_javascript_numbers(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _PADDED_BELOW:
        return orjson.Fragment(f"{Decimal(repr(value)):f}".removesuffix(".0") if value else "0")
    return value


def _stored_number(text: str) -> int | float | None:
    if not isfinite(number := float(text)):
        return None
    return int(text) if text.lstrip("-").isdigit() else number


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {_normal(name): _normal(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(inner) for inner in value]
    if isinstance(value, int) and not LEAST <= value <= MOST:
        try:
            return float(value)
        except OverflowError:
            raise TypeError("An integer is too large (the largest number is about 1.8e308)") from None
    return value
