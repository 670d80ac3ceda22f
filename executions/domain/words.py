"""Which scripts the words of a source need: dates, extension methods, locales and others are loaded on first use.

A context that uses none of these words loads nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from executions.domain.extension_calls import METHODS
from executions.domain.javascript import source
from executions.domain.locales import DEFAULT, is_locale, locale_script, locale_words_script
from executions.domain.time_zones import zone_names, zone_script

MOST_NAMED: Final = 50
"""How many of the time zones that a source names are loaded before it runs; others are loaded when they are used."""
MOST_LOCALES: Final = 100
"""The number of locales that one context can load, with en-US. Each takes about 10 kB of its memory."""
MOST_ZONES: Final = 700
"""The number of time zones, about 600, that one context can load."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Scripts that belong together, and the words that need them."""

    words: re.Pattern[str]
    scripts: tuple[str, ...]
    needs: tuple[str, ...] = ()


def _methods(name: str) -> re.Pattern[str]:
    """Return a pattern of the calls that `extension_calls` writes."""
    return re.compile(rf',"(?:{"|".join(sorted(METHODS[name]))})",')


_GROUPS: Final[dict[str, _Group]] = {
    "dates": _Group(
        re.compile(r"\b(?:DateTime|Duration|Interval)\b|\$now\b|\$today\b"),
        ("zones", "calendar", "duration", "date_formats", "date_time", "date_words"),
    ),
    "date_parsing": _Group(
        re.compile(r"\bfrom(?:ISO|SQL|RFC2822|HTTP|Format|String)\b"), ("date_parsing",), ("dates",)
    ),
    "intervals": _Group(
        re.compile(r"\bInterval\b|\.(?:diff(?:Now)?|until|toRelative\w*)\b"),
        ("intervals", "interval_words"),
        ("dates",),
    ),
    "bytes": _Group(re.compile(r"\b(?:Buffer|TextEncoder|TextDecoder|structuredClone)\b"), ("bytes_words",)),
    "extension_calls": _Group(_methods("extension_calls"), ("extension_calls",)),
    "text_methods": _Group(_methods("text_methods"), ("text_methods",), ("extension_calls", "bytes")),
    "list_methods": _Group(_methods("list_methods"), ("list_methods",), ("extension_calls",)),
    "value_methods": _Group(_methods("value_methods"), ("value_methods",), ("extension_calls",)),
    "date_methods": _Group(
        _methods("date_methods"), ("date_methods",), ("extension_calls", "date_parsing", "intervals")
    ),
    "hashes": _Group(_methods("hashes"), ("hashes",), ("text_methods",)),
    "helpers": _Group(re.compile(r"\$(?:if|ifEmpty|min|max|not|average)\b|\b(?:numberList|zip)\("), ("helper_words",)),
    "nodes": _Group(
        re.compile(
            r"\$(?:runIndex|prevNode|parameter|nodeVersion|nodeId)\b|\.(?:isExecuted|params|parameter|context|runIndex)\b"
        ),
        ("node_words",),
    ),
    "files": _Group(re.compile(r"\bbinary\b"), ("file_words",)),
    "old_words": _Group(re.compile(r"\$(?:data|position|executionId|resumeWebhookUrl|mode)\b"), ("old_words",)),
    "urls": _Group(re.compile(r"\bURL(?:SearchParams)?\b"), ("url_words",), ("bytes",)),
    "locale_numbers": _Group(
        re.compile(r"\bIntl\b|\btoLocaleString\b|\blocaleCompare\b|\bsetLocale\b|\blocale\s*:"), ("locale_numbers",)
    ),
    "locale_dates": _Group(
        re.compile(r"\btoLocale(?:Date|Time)?String\b|\bDateTimeFormat\b|\bsetLocale\b|\blocale\s*:"),
        ("locale_dates",),
        ("dates", "locale_numbers"),
    ),
    "locale_words": _Group(
        re.compile(
            r"\bIntl\.(?:PluralRules|ListFormat|RelativeTimeFormat)\b|[\"'`](?:compact|unit)[\"'`]|\bcompactDisplay\b"
            r"|\bcurrencyDisplay\b"
        ),
        ("locale_words",),
        ("locale_numbers",),
    ),
    "locale_order": _Group(re.compile(r"\blocaleCompare\b|\bCollator\b"), ("locale_order",), ("locale_numbers",)),
    "number_format": _Group(re.compile(r',"format",'), ("number_format",), ("extension_calls", "locale_numbers")),
    "promises": _Group(re.compile(r"\b(?:Promise|async|import)\b"), ("promise_words",)),
    "code": _Group(re.compile(r"(?:(?<![.\w$])|(?<=\.\.\.))items?\b"), ("code_words",)),
    "static_data": _Group(re.compile(r"\$getWorkflowStaticData\b"), ("static_words",)),
    "custom_data": _Group(re.compile(r"\bcustomData\b"), ("custom_data_words",)),
    "absent": _Group(
        re.compile(
            r"\b(?:setTimeout|setInterval|setImmediate|fetch|require)\s*\(|(?<![.\w$])crypto\s*\."
            r"|\$(?:env|secrets|pageCount|response|request|webhookId|agentInfo|self|fromAI|getPairedItem|evaluateExpression)\b"
            r"|\$item\s*\("
        ),
        ("absent_words",),
    ),
    "jmespath": _Group(re.compile(r"\$jmes[pP]ath\b"), ("jmespath",)),
}
_IN_WORDS = re.compile(r"\bto(?:Human|Relative\w*)\b")
"""With a locale, these need its words."""
_LISTS = re.compile(r"\$(?![\w{$])|\$(?:node|items|input)\b")
_NAME = re.compile(r"""["'`]([A-Za-z]\w*(?:/[\w+-]+){0,2})["'`]""")
_LOCALE = re.compile(
    r"""["'`]([a-z]{2,3}-[A-Za-z]{2,4}(?:-[A-Za-z]{2})?)["'`]"""
    r"""|(?:String|setLocale|[fF]ormat|Collator|localeCompare)\(\s*["'`]([a-z]{2,3})["'`]|\blocale\s*:\s*["'`]([a-z]{2,3})["'`]"""
)

_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)


def without_escapes(source: str) -> str:
    """Return a source with the escapes of its strings resolved, to find the names of nodes in it."""
    return _ESCAPE.sub(_unescaped, source) if "\\" in source else source


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    return chr(min(int(code, 16), 0x10FFFF)) if code else match[4]


def names_lists(source: str) -> bool:
    """Return whether a source needs the script of `$("X")`, `$input`, `$node` and `$items`."""
    return _LISTS.search(source) is not None or any(_GROUPS[name].words.search(source) for name in ("nodes", "files"))


def asks_about_nodes(source: str) -> bool:
    """Return whether a source needs `about` of the surroundings."""
    return _GROUPS["nodes"].words.search(source) is not None


def uses_await(code: str) -> bool:
    """Return whether code may await something, so that it must be an async function."""
    return re.search(r"\bawait\b", code) is not None


def may_give_promise(source: str) -> bool:
    """Return whether the value of an expression may be a promise."""
    return _GROUPS["promises"].words.search(source) is not None


def uses_static_data(code: str) -> bool:
    """Return whether code may read static data."""
    return _GROUPS["static_data"].words.search(code) is not None


def uses_custom_data(code: str) -> bool:
    """Return whether code may set attributes of its execution."""
    return _GROUPS["custom_data"].words.search(code) is not None


@lru_cache(maxsize=2048)
def groups_in(text: str) -> tuple[str, ...]:
    """Return the groups of scripts that a source needs, in the order in which they are loaded."""
    found = {name for name, group in _GROUPS.items() if group.words.search(text)}
    if "locale_dates" in found and _IN_WORDS.search(text) is not None:
        found.add("locale_words")
    while more := {needed for name in found for needed in _GROUPS[name].needs} - found:
        found |= more
    return tuple(name for name in _GROUPS if name in found)


def scripts_of(group: str) -> list[str]:
    """Return the scripts of a group."""
    return [source(name) for name in _GROUPS[group].scripts]


def zones_in(text: str) -> list[str]:
    """Return the time zones that a source names literally."""
    names = dict.fromkeys(name for name in _NAME.findall(text) if name in zone_names())
    return list(names)[:MOST_NAMED]


def locales_in(text: str) -> list[str]:
    """Return the locales that a source names literally."""
    tags = dict.fromkeys(tag for found in _LOCALE.findall(text) for tag in found if tag and is_locale(tag))
    return list(tags)[:MOST_LOCALES]


class Words:
    """Which scripts one context has loaded."""

    def __init__(self, timezone: str, *, for_code: bool = False) -> None:
        self._timezone = timezone
        self._loaded = set[str]() if for_code else {"code"}
        self._zones, self._locales = set[str](), set[str]()

    def needed_by(self, text: str, *, has_files: bool = False) -> list[str]:
        """Return the scripts to run before `text`, and count them as loaded. `has_files`: the items have files, which
        `{...item}` copies."""
        scripts, groups = list[str](), groups_in(text)
        for group in (*groups, "files") if has_files else groups:
            if group not in self._loaded:
                self._loaded.add(group)
                scripts += scripts_of(group)
                if group == "locale_words":
                    scripts += [locale_words_script(tag) for tag in sorted(self._locales)]
                if group == "dates":
                    scripts += [*self.zones([self._timezone]), _default_zone(self._timezone)]
                if group == "locale_numbers":
                    scripts += [*self.locales([DEFAULT]), f"(function (kit) {{ kit.mostLocales = {MOST_LOCALES}; }})"]
        if "dates" in self._loaded:
            scripts += self.zones(zones_in(text))
        if "locale_numbers" in self._loaded:
            scripts += self.locales(locales_in(text))
        return scripts

    def zones(self, names: list[str]) -> list[str]:
        """Return the scripts that add time zones that are not there yet. Names that do not exist are invalid zones."""
        added = [name for name in names if name not in self._zones][: MOST_ZONES - len(self._zones)]
        self._zones.update(added)
        return [zone_script(name) for name in added]

    def locales(self, tags: list[str]) -> list[str]:
        """Return the scripts that add locales that are not there yet. Tags without data are unknown locales."""
        added = [tag for tag in dict.fromkeys(tags) if tag not in self._locales][: MOST_LOCALES - len(self._locales)]
        self._locales.update(added)
        words = [locale_words_script(tag) for tag in added] if "locale_words" in self._loaded else []
        return [*(locale_script(tag) for tag in added), *words]

    def missing(self, report: str) -> list[str]:
        """Return the scripts that add what an evaluation used and lacked; `report` is the result of `MISSING`."""
        try:
            pairs = [(str(kind), str(name)) for kind, name in json.loads(report)]
        except (ValueError, TypeError):
            return []  # expressions can break the report
        zones = self.zones([name for kind, name in pairs if kind == "zone"])
        return zones + self.locales([name for kind, name in pairs if kind == "locale"])

    def all_zones(self) -> list[str]:
        """Return the scripts that add all time zones; any other name is then an invalid zone."""
        return [*self.zones(sorted(zone_names())), "(function (kit) { kit.hasAllZones = true; })"]

    @property
    def may_miss(self) -> bool:
        """Whether a source can use a time zone or a locale that is not loaded."""
        return not self._loaded.isdisjoint({"dates", "locale_numbers"})


STATIC_DATA: Final = "__static"
"""The variable with the static data of code: `global` and `node`."""
LOOK_FOR_LOCALES: Final = "(function (kit) { kit.looksForLocales = true; })"
"""A script after which a locale that is not loaded is only reported, so that one run finds all of them."""
USED_STATIC_DATA: Final = "(function (kit) { return kit.staticData(); })"
"""A script that returns the static data that code has read, as JSON."""
CUSTOM_DATA: Final = "__custom_data"
"""The variable with the limits of what code may set in `$execution.customData`."""
SET_CUSTOM_DATA: Final = "(function (kit) { return kit.customData(); })"
"""A script that returns what code has set in `$execution.customData`, as JSON."""
LOADER: Final = source("loader")
"""JavaScript that returns a function. It runs a script of `Words` and returns the script's result as text."""
MISSING: Final = "(function (kit) { return kit.takeMissing(); })"
"""A script that returns what was used and not loaded, as JSON: a list of pairs of `zone` or `locale` and the name."""


def _default_zone(name: str) -> str:
    return f"(function (kit) {{ kit.defaultZone = kit.zone({json.dumps(name)}); }})"
