"""Conditions of nodes: which ones can be saved, and which values count as true. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from executions.domain.expression_ends import expressions_in

_SHOWN = 100
_CONSTANTS = dict.fromkeys(("true", "yes", "on"), "true") | dict.fromkeys(("false", "no", "off"), "false")


def truthy(value: Any) -> bool:
    """Return whether a JSON value counts as true: as in JavaScript, but the text "false" is false.

    Empty lists and objects are true. Forms and CSV files hold the text "false", in any case and with spaces around it.
    """
    if isinstance(value, str):
        return value != "" and value.strip().lower() != "false"
    return True if isinstance(value, list | dict) else bool(value)


def problem_of(condition: Any) -> str | None:
    """Return why a condition cannot be saved, or None.

    A condition is one expression, or true or false. Any other text, and text around an expression, would always be
    true.
    """
    if isinstance(condition, bool):
        return None
    if not isinstance(condition, str):
        return "The condition has no expression, so it would never change. Write {{ … }}, such as {{ $json.n > 5 }}."
    text = condition.strip()
    places = expressions_in(text)
    if not places:
        if "{{" in text:
            return None  # not closed, which the check of the syntax reports
        return f"The condition is text without an expression, which is always true. Write {_suggestion(text)}."
    if places == [(0, len(text))]:
        return None
    return (
        "The condition has text outside of its braces, which makes it text and therefore always true. Write all of it"
        " inside of one pair of braces, such as {{ $json.n > 5 }}."
    )


def problems_in(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (path, code, message) if `parameters.condition` cannot be saved."""
    if "condition" in parameters and (problem := problem_of(parameters["condition"])) is not None:
        yield "parameters.condition", "condition", problem


def _suggestion(text: str) -> str:
    """Return what was probably meant: a constant, or the text as an expression. Other tools mark one with `=`."""
    text = re.sub(r"^=+\s*", "", text)
    if (word := text.lower()) in _CONSTANTS:
        return _CONSTANTS[word]
    return f"{{{{ {text if 0 < len(text) <= _SHOWN else text[:_SHOWN] + '…'} }}}}"
