"""Evaluates templates that only read a path, `customer {{ $json.body.customer.id }}`, without JavaScript. No Django.

The result equals that of JavaScript, or is NOT_PLAIN. Cases that could differ (numbers that are not small integers,
prototypes, lengths of strings, errors) are left to JavaScript.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

OPENING, CLOSING = "{{", "}}"
MAX_EXACT = 2**53 - 1
"""The largest integer that JavaScript represents exactly."""
_NAME = r"[A-Za-z_$][A-Za-z0-9_$]*"
_STEP = re.compile(
    rf"""\.(?P<name>{_NAME})|\[(?P<index>0|[1-9][0-9]{{0,8}})\]|\["(?P<double>[^"\\\r\n\u2028\u2029]*)"\]"""
    r"""|\['(?P<single>[^'\\\r\n\u2028\u2029]*)'\]"""
)
_WORD = re.compile(rf"\${_NAME}")
_BLANK = " \t\r\n"
_MAX_LENGTH = 2_000
INHERITED = frozenset({
    "constructor", "toString", "toLocaleString", "valueOf", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable",
    "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
})  # fmt: skip
"""The properties that every JavaScript object inherits."""


class _Marker:
    """A value that does not occur in JSON."""


NOT_PLAIN: Final = _Marker()
"""The template must be evaluated as JavaScript."""
_UNDEFINED: Final = _Marker()


def read(template: str, words: Mapping[str, Any]) -> Any:
    """Return the result of the template, or NOT_PLAIN. `words` are the JSON values of `$json`, `$vars`, …

    Like `Evaluator.resolve`: a single expression keeps the type of its value; within text, null is empty.
    """
    if len(template) > _MAX_LENGTH:
        return NOT_PLAIN
    whole = template.strip()
    closed = whole.find(CLOSING)
    if whole.startswith(OPENING) and whole.endswith(CLOSING) and CLOSING not in whole[2:-2]:
        return _path(whole[2:closed], words) if closed == len(whole) - 2 else NOT_PLAIN
    out, at = [], 0
    while (opened := template.find(OPENING, at)) >= 0 and (closed := template.find(CLOSING, opened + 2)) >= 0:
        value = _path(template[opened + 2 : closed], words)
        if value is NOT_PLAIN:
            return NOT_PLAIN
        out += [template[at:opened], _as_text(value)]
        at = closed + 2
    return "".join(out) + template[at:]


def _as_text(value: str | int | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _path(expression: str, words: Mapping[str, Any]) -> Any:
    path = expression.strip(_BLANK)
    word = _WORD.match(path)
    if word is None or word.group() not in words:
        return NOT_PLAIN
    value, at = words[word.group()], word.end()
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return NOT_PLAIN
        value, at = _step(value, step), step.end()
        if value is NOT_PLAIN:
            return NOT_PLAIN
    if value is _UNDEFINED:
        return None
    plain = value is None or isinstance(value, str | bool) or (isinstance(value, int) and abs(value) <= MAX_EXACT)
    return value if plain else NOT_PLAIN


def _step(value: Any, step: re.Match[str]) -> Any:
    """Return the property that a step names; NOT_PLAIN if prototypes or errors could be involved."""
    index = step.group("index")
    if isinstance(value, list):
        if index is None:
            return NOT_PLAIN
        return value[int(index)] if int(index) < len(value) else _UNDEFINED
    if not isinstance(value, dict):
        return NOT_PLAIN
    named = next(group for group in step.groups() if group is not None)
    if named in value:
        return value[named]
    return NOT_PLAIN if named in INHERITED else _UNDEFINED
