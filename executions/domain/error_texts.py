"""Explains the errors of QuickJS to the author of an expression or of code: what was called, and what to write. Pure.

QuickJS says `TypeError: not a function`. The stack has the position, and the source has the name at this position.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from executions.domain.expression_ends import Token, tokens_of
from executions.domain.extension_calls import METHODS, receiver_of

_FRAME = re.compile(r"<input>:(\d+):(\d+)")
_UNDEFINED_PROPERTY = re.compile(r"TypeError: cannot read property '(.{0,200})' of (undefined|null)$")
_UNKNOWN_NAME = re.compile(r"ReferenceError: ([\w$]{1,100}) is not defined$")
_SHOWN = 80
STACK_ERROR: Final = (
    "RangeError: the stack of 512 KiB is used up: functions call each other more than about 300 levels deep, or values"
    " are nested more than about 2,000 levels deep"
)
DEPTH_ERROR: Final = "the result is nested more than 1,024 levels deep; JSON of more levels is not accepted"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NATIVE: Final = {
    "texts": _words(
        "at charAt charCodeAt codePointAt concat endsWith includes indexOf lastIndexOf localeCompare match matchAll"
        " normalize padEnd padStart repeat replace replaceAll search slice split startsWith substr substring"
        " toLocaleLowerCase toLocaleUpperCase toLowerCase toUpperCase trim trimEnd trimStart"
    ),
    "lists": _words(
        "at concat copyWithin entries every fill filter find findIndex findLast findLastIndex flat flatMap forEach"
        " includes indexOf join keys lastIndexOf map pop push reduce reduceRight reverse shift slice some sort splice"
        " toReversed toSorted toSpliced unshift values with"
    ),
    "numbers": _words("toExponential toFixed toPrecision"),
    "dates": _words(
        "diff diffNow endOf hasSame set setLocale setZone startOf toFormat toHTTP toISO toISODate toISOString toISOTime"
        " toJSDate toLocal toLocaleString toMillis toObject toRFC2822 toRelative toRelativeCalendar toSQL toSQLDate"
        " toSeconds toUTC toUnixInteger until getDate getDay getFullYear getHours getMinutes getMonth getSeconds"
        " getTime toDateString toLocaleDateString toLocaleTimeString"
    ),
    "lists of items": _words("all first item itemMatching last"),
}
_STATIC: Final = {
    "Array": _words("from fromAsync isArray of"),
    "Date": _words("UTC now parse"),
    "DateTime": _words(
        "fromFormat fromHTTP fromISO fromJSDate fromMillis fromObject fromRFC2822 fromSQL fromSeconds local max min now"
        " utc"
    ),
    "Duration": _words("fromISO fromMillis fromObject"),
    "Interval": _words("after before fromDateTimes fromISO"),
    "JSON": _words("parse stringify"),
    "Math": _words("abs ceil cos exp floor hypot log log10 log2 max min pow random round sign sin sqrt tan trunc"),
    "Number": _words("isFinite isInteger isNaN isSafeInteger parseFloat parseInt"),
    "Object": _words("assign entries freeze fromEntries groupBy hasOwn is keys values"),
    "Promise": _words("all allSettled any race reject resolve"),
    "String": _words("fromCharCode fromCodePoint raw"),
}
_OURS: Final = {
    "text_methods": "texts", "list_methods": "lists", "value_methods": "numbers and objects", "date_methods": "dates",
    "hashes": "texts",
}  # fmt: skip
_ALL: Final = frozenset().union(*_NATIVE.values(), *METHODS.values())
_VARIABLES: Final = _words(
    "$binary $execution $getWorkflowStaticData $if $ifEmpty $input $itemIndex $items $jmespath $json $max $min $node"
    " $nodeId $nodeVersion $not $now $parameter $prevNode $runIndex $today $vars $workflow DateTime Duration Interval"
    " JSON Math Object Array String Number Boolean Date parseInt parseFloat"
    " encodeURIComponent decodeURIComponent console"
)


def explained(error: str, source: str, lines_before: int, first_column: int = 1) -> str:
    """Return the first line of an error of QuickJS, with what the source says about it.

    `error` is the message with its stack. Line 1 of `source` is line 1 + `lines_before` of the script, where it begins
    at the column `first_column`.
    """
    message = error.strip().split("\n")[0]
    if message == "TypeError: not a function":
        call = _call(error, source, lines_before, first_column)
        return call or "TypeError: a value that is called is not a function"
    if (found := _UNDEFINED_PROPERTY.fullmatch(message)) is not None:
        receiver = _read(found[1], source)
        return f"{message}: {receiver} is {found[2]}" if receiver not in {"", found[2]} else message
    if (found := _UNKNOWN_NAME.fullmatch(message)) is not None:
        return message + _hint(_nearest(found[1], _VARIABLES))
    if message in {"RangeError: Maximum call stack size exceeded", "InternalError: stack overflow"}:
        return STACK_ERROR
    return message


def _call(error: str, source: str, lines_before: int, first_column: int) -> str:
    """Return the error for a call of what is no function; empty if the source does not show which call it is."""
    frame, tokens = _FRAME.search(error), tokens_of(source)
    if frame is None or tokens is None:
        return ""
    line, column, lines = int(frame[1]) - lines_before, int(frame[2]), source.split("\n")
    if not 1 <= line <= len(lines):
        return ""
    place = sum(len(each) + 1 for each in lines[: line - 1]) + column - (first_column if line == 1 else 1)
    found = next((at for at, token in enumerate(tokens) if token.begin == place), None)
    if found is None:
        return ""
    at = found if _is_property(tokens, found) else _called_around(tokens, found)
    if at is None:
        return ""
    name, receiver = tokens[at].text, _receiver(tokens, at - 1, source)
    return f"TypeError: {receiver + '.' if receiver else ''}{name} is not a function{_advice(name, receiver)}"


def _is_property(tokens: list[Token], at: int) -> bool:
    return at >= 2 and tokens[at].kind == "word" and tokens[at - 1].kind == "."


def _called_around(tokens: list[Token], at: int) -> int | None:
    """Return the name of the method whose arguments a token is in: QuickJS may give the place of an argument."""
    depth, calls = 0, 0
    for index in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].kind, 0)
        if depth < 0:
            break
        calls += tokens[index].kind == "("
    depth = 0
    for index in range(at - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(tokens[index].kind, 0)
        if depth < 0:
            name = tokens[index - 1].text
            known = name in _ALL or any(name in names for names in _STATIC.values())
            # A known method is meant only if the arguments call nothing: else it may be what they call.
            return index - 1 if _is_property(tokens, index - 1) and not (known and calls) else None
    return None


def _read(name: str, source: str) -> str:
    """Return the source of the value whose property was read; empty if the property is read in several places."""
    tokens = tokens_of(source) or []
    places = [at for at in range(1, len(tokens) - 1) if _reads(tokens, at, name)]
    return _receiver(tokens, places[0], source) if len(places) == 1 else ""


def _reads(tokens: list[Token], at: int, name: str) -> bool:
    """Return whether a token is the dot or bracket before the name of the property."""
    following = tokens[at + 1]
    if tokens[at].kind == ".":
        return following.kind == "word" and following.text == name
    return (
        tokens[at].kind == "[" and following.text.strip("\"'`") == name and tokens[at - 1].kind not in {"(", ",", "="}
    )


def _advice(name: str, receiver: str) -> str:
    if receiver in _STATIC:
        return _hint(_nearest(name, _STATIC[receiver]))
    kinds = [kind for kind, names in _NATIVE.items() if name in names]
    kinds += [_OURS[script] for script, names in METHODS.items() if name in names and script in _OURS]
    if kinds:
        return f"; {name}() is for {' and '.join(dict.fromkeys(kinds))}"
    return _hint(_nearest(name, _ALL))


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like `name`; empty if none is."""
    by_lower = {each.lower(): each for each in sorted(known)}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.8)
    return by_lower[found[0]] if found else ""


def _hint(name: str) -> str:
    return f"; do you mean {name}?" if name else ""


def _receiver(tokens: list[Token], at: int, source: str) -> str:
    receiver = receiver_of(source, tokens, at)
    if "__call" in receiver:
        return ""  # an extension method, rewritten
    return receiver if len(receiver) <= _SHOWN else f"…{receiver[-_SHOWN:]}"
