"""The words of locales for the JavaScript of expressions: plural rules, units, lists, relative times, compact numbers.

They are from the Unicode CLDR, like the formats in `locales`, and are loaded only for sources that use them. No Django.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

_UNITS: Final = frozenset({
    "acre", "bit", "byte", "celsius", "centimeter", "day", "degree", "fahrenheit", "fluid-ounce", "foot", "gallon",
    "gigabit", "gigabyte", "gram", "hectare", "hour", "inch", "kilobit", "kilobyte", "kilogram", "kilometer",
    "liter", "megabit", "megabyte", "meter", "microsecond", "mile", "mile-scandinavian", "milliliter", "millimeter",
    "millisecond", "minute", "month", "nanosecond", "ounce", "percent", "petabyte", "pound", "second", "stone",
    "terabit", "terabyte", "week", "yard", "year",
})  # fmt: skip
"""The units of ECMA-402."""
_SPANS: Final = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
_WIDTHS: Final = ("long", "short", "narrow")


@lru_cache(maxsize=256)
def words_of(identifier: str) -> str:
    """Return the words of a locale of Babel as JavaScript: an object, with functions for the plural rules."""
    from babel import Locale  # takes 50 ms to import, and few workflows need it

    locale = Locale.parse(identifier)
    data: Any = locale._data
    words = {
        "lists": _plain(data["list_patterns"]),
        "spans": {name: _span(data["date_fields"], name) for name in _SPANS},
        "compact": {width: _compact(locale.compact_decimal_formats[width]) for width in ("short", "long")},
        "units": _units(data["unit_patterns"]),
        "per": {width: _plain(data["compound_unit_patterns"]["per"][width]).get("compound") for width in _WIDTHS},
        "currencies": _plain(data["currency_names_plural"]),
        "currencyNames": dict(locale.currencies),
        "money": _plain(data["currency_unit_patterns"]),
    }
    text = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    rules = f"plural:{_rules(locale.plural_form.abstract)},ordinal:{_rules(locale.ordinal_form.abstract)}"
    return f"{{{rules},{text[1:]}"


def _plain(value: Any) -> Any:
    return {str(key): _plain(inner) for key, inner in value.items()} if hasattr(value, "items") else value


def _span(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the relative forms of a unit of time, by width."""
    return {
        width: {
            part: _plain(fields[key][part]) for part in ("relative", "future", "past") if part in fields.get(key, {})
        }
        for width, key in zip(_WIDTHS, (name, f"{name}-short", f"{name}-narrow"), strict=True)
    }


def _compact(formats: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the patterns by the count of digits after the first, and by plural form."""
    made: dict[str, dict[str, str]] = {}
    for form, by_size in formats.items():
        for size, pattern in by_size.items():
            made.setdefault(str(len(size) - 1), {})[form] = pattern.pattern
    return made


def _units(patterns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patterns of units by their names in ECMA-402."""
    made = {}
    for key, by_width in patterns.items():
        name = key.partition("-")[2]
        if set(name.split("-per-")) <= _UNITS:
            made[name] = _plain(by_width)
    return made


def _rules(abstract: list[tuple[str, Any]]) -> str:
    """Return plural rules as a JavaScript function of the operands of the CLDR."""
    cases = "".join(f'{_condition(rule)}?"{form}":' for form, rule in abstract)
    return f'function(n,i,v,w,f,t,e){{var c=e;return {cases}"other";}}'


def _condition(node: tuple[str, Any]) -> str:
    kind, parts = node
    if kind in ("and", "or"):
        return f"({_condition(parts[0])}{'&&' if kind == 'and' else '||'}{_condition(parts[1])})"
    if kind == "not":
        return f"!{_condition(parts[0])}"
    if kind == "relation":
        method, operand, (_, ranges) = parts
        value = _condition(operand)
        tests = [f"{value}>={_condition(low)}&&{value}<={_condition(high)}" for low, high in ranges]
        whole = f"Number.isInteger({value})&&" if method == "in" else ""
        return f"({whole}({'||'.join(tests)}))"
    if kind == "mod":
        return f"({_condition(parts[0])}%{_condition(parts[1])})"
    return str(parts[0]) if kind == "value" else kind
