"""Evaluates templates that only read a path, `customer {{ $json.body.customer.id }}`, without JavaScript. No Django.

The result equals that of JavaScript, or is NOT_PLAIN. Cases that could differ (fractions, prototypes, lengths of
strings, errors) are left to JavaScript. One difference is meant: integers beyond 2^53 are exact and not rounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

OPENING, CLOSING = "{{", "}}"
_NAME = r"[A-Za-z_$][A-Za-z0-9_$]*"
_STEP = re.compile(
    rf"""\??\.(?P<name>{_NAME})|(?:\?\.)?\[(?:(?P<index>0|[1-9][0-9]{{0,8}})"""
    r"""|"(?P<double>[^"\\\r\n\u2028\u2029]*)"|'(?P<single>[^'\\\r\n\u2028\u2029]*)')\]"""
)
_WORD = re.compile(rf"\${_NAME}")
BLANK = " \t\r\n"
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
    path = expression.strip(BLANK)
    word = _WORD.match(path)
    if word is None or word.group() not in words:
        return NOT_PLAIN
    steps = steps_of(path[word.end() :])
    value = NOT_PLAIN if steps is None else walked(words[word.group()], steps)
    return value if value is None or isinstance(value, str | int) else NOT_PLAIN


@lru_cache(maxsize=4096)
def steps_of(path: str) -> tuple[re.Match[str], ...] | None:
    """Return the steps of a path such as `.body["id"][0]`; None if it is anything else."""
    steps, at = list[re.Match[str]](), 0
    while at < len(path):
        if (step := _STEP.match(path, at)) is None:
            return None
        steps.append(step)
        at = step.end()
    return tuple(steps)


def walked(value: Any, steps: tuple[re.Match[str], ...]) -> Any:
    """Return the value at the end of the steps: None if it is undefined, NOT_PLAIN if JavaScript must say."""
    for step in steps:
        value = _step(value, step)
        if value is NOT_PLAIN:
            return NOT_PLAIN
    return None if value is _UNDEFINED else value


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
