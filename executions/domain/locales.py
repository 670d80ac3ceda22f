"""The data of locales for the JavaScript of expressions, from the Unicode CLDR. No Django.

QuickJS has no `Intl`. A locale is a script that adds its formats and names; it is made when it is first used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final

from executions.domain.locale_words import words_of

DEFAULT: Final = "en-US"
_LENGTHS = ("full", "long", "medium", "short")
_TWO_GROUPING_DIGITS = frozenset({"bg", "es", "et", "it", "lv", "pl"})
"""Languages in which 1234 has no separator and 12 345 has one."""
_AT_TIME = {"de": "um", "en": "at", "fr": "à", "nl": "om", "pt": "às"}
"""The word between a long date and a time, which the data does not have."""
_ZEROS = {"arab": 0x0660, "arabext": 0x06F0, "beng": 0x09E6, "deva": 0x0966, "mymr": 0x1040}
"""The digit 0 of numbering systems that are the default of a locale."""
_CALENDARS = {"AF": "persian", "IR": "persian", "TH": "buddhist"}
"""The calendars of regions that have another one than the Gregorian."""
_CALENDAR_WISH = re.compile(r"-u-(?:.*-)?ca-([a-z0-9]{3,8})", re.IGNORECASE)


def locale_script(tag: str) -> str:
    """Return a script that adds the locale to the words of formats; a tag without data is an unknown locale."""
    wish = _CALENDAR_WISH.search(tag)
    data = _data_of(_identifier(tag), wish[1].lower() if wish else None)
    return f"(function (kit) {{ kit.addLocale({json.dumps(tag)}, {data or 'null'}); }})"


def locale_words_script(tag: str) -> str:
    """Return a script that adds the words of a locale (`locale_words`) to the locale, which must be added before."""
    identifier = _identifier(tag)
    words = "null" if identifier is None else words_of(identifier)
    return f"(function (kit) {{ kit.addLocaleWords({json.dumps(tag)}, {words}); }})"


@cache
def _known() -> Mapping[str, str]:
    from babel.localedata import locale_identifiers  # takes 50 ms to import, and few workflows need it

    return {name.lower(): name for name in locale_identifiers()}


def is_locale(tag: str) -> bool:
    """Return whether there is data for a tag such as de or de-DE."""
    return _identifier(tag) is not None


def _identifier(tag: str) -> str | None:
    """Return the name of the data of a tag: that of the language, if there is none for the region."""
    parts = tag.split("-u-")[0].replace("-", "_").lower().split("_")
    if len(tag) > 35:
        return None
    while parts:
        if (name := _known().get("_".join(parts))) is not None:
            return name
        parts.pop()
    return None


@lru_cache(maxsize=256)
def _data_of(identifier: str | None, calendar: str | None) -> str | None:
    if identifier is None:
        return None
    from babel import Locale

    locale = Locale.parse(identifier)
    calendar = calendar or _CALENDARS.get(_territory(locale), "gregory")
    date = _dates(locale) | {"calendar": calendar}
    if calendar == "buddhist" and locale.language == "th":
        date = _thai(date)
    data = {"tag": identifier.replace("_", "-"), "number": _numbers(locale), "date": date}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _territory(locale: Any) -> str:
    """Return the region of a locale, or that where most people speak its language."""
    from babel.core import get_global

    if locale.territory:
        return str(locale.territory)
    likely = get_global("likely_subtags")
    names = (f"{locale.language}_{locale.script}", locale.language)
    return str(next((likely[name] for name in names if name in likely), "")).rpartition("_")[2]


def _thai(date: dict[str, Any]) -> dict[str, Any]:
    """Return the formats of Thai dates with years of the Buddhist era, which the data has for Gregorian years."""

    def without_era(pattern: str) -> str:
        return pattern.replace("G ", "")

    skeletons = {name: pattern if "G" in name else without_era(pattern) for name, pattern in date["skeletons"].items()}
    dates = date["dates"]
    return date | {
        "years": {"added": 543, "era": "พ.ศ.", "eraLong": "พุทธศักราช"},
        "dates": dates | {"long": without_era(dates["long"])},
        "skeletons": skeletons | {"y": "G y", "yMMMMEEEEd": without_era(dates["full"])},
    }


def _numbers(locale: Any) -> dict[str, Any]:
    from babel.core import get_global

    system = locale.default_numbering_system
    symbols = locale.number_symbols.get(system) or locale.number_symbols["latn"]
    two = (locale.language in _TWO_GROUPING_DIGITS and locale.territory != "MX") or str(locale) == "pt_PT"
    return {
        "decimal": symbols.get("decimal", "."),
        "group": symbols.get("group", ","),
        "money": [symbols.get("currencyDecimal"), symbols.get("currencyGroup")],
        "minus": symbols.get("minusSign", "-"),
        "plus": symbols.get("plusSign", "+"),
        "percent": symbols.get("percentSign", "%"),
        "infinity": symbols.get("infinity", "∞"),
        "nan": symbols.get("nan", "NaN"),
        "zero": _ZEROS.get(system, 0x30),
        "minGrouping": 2 if two else 1,
        "patterns": {
            "decimal": locale.decimal_formats[None].pattern,
            "percent": locale.percent_formats[None].pattern,
            "currency": locale.currency_formats["standard"].pattern,
            "accounting": locale.currency_formats["accounting"].pattern,
        },
        "currencies": dict(locale.currency_symbols),
        "digits": {code: entry[0] for code, entry in get_global("currency_fractions").items() if code != "DEFAULT"},
    }


def _long_joins(locale: Any) -> dict[str, str]:
    word = _AT_TIME.get(locale.language)
    return dict.fromkeys(("full", "long"), f"{{1}} '{word}' {{0}}") if word else {}


def _dates(locale: Any) -> dict[str, Any]:
    def names(table: Mapping[str, Any], width: str, context: str = "format") -> list[str]:
        values = table[context][width]
        return [values[index] for index in sorted(values)]

    def days(width: str, context: str = "format") -> list[str]:
        values = locale.days[context][width]
        return [values[index] for index in (6, 0, 1, 2, 3, 4, 5)]  # Sunday first

    periods = locale.day_periods["format"]
    return {
        "months": names(locale.months, "wide"),
        "monthsShort": names(locale.months, "abbreviated"),
        "monthsAlone": names(locale.months, "wide", "stand-alone"),
        "monthsShortAlone": names(locale.months, "abbreviated", "stand-alone"),
        "weekdays": days("wide"),
        "weekdaysShort": days("abbreviated"),
        "weekdaysShortAlone": days("abbreviated", "stand-alone"),
        "meridiems": [periods["abbreviated"].get(name) or periods["wide"][name] for name in ("am", "pm")],
        "eras": [locale.eras["abbreviated"][index] for index in (0, 1)],
        "erasLong": [locale.eras["wide"][index] for index in (0, 1)],
        "firstDay": locale.first_week_day + 1,
        "minDays": locale.min_week_days,
        "dates": {length: locale.date_formats[length].pattern for length in _LENGTHS},
        "times": {length: locale.time_formats[length].pattern for length in _LENGTHS},
        "joins": {length: str(locale.datetime_formats[length]) for length in _LENGTHS} | _long_joins(locale),
        "skeletons": {
            name: locale.datetime_skeletons[name].pattern
            for name in locale.datetime_skeletons
            if not set(name) & set("BQWwv")
        },
    }
