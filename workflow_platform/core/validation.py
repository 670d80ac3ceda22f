"""Errors of pydantic as sentences: the field, what is wrong with its value, and the limit. Pure.

A message shows the value only where it helps to correct it (numbers, choices, dates), and never that of a field whose
name says that it is a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from workflow_platform.core.secrets.secret_names import is_secret

Location = tuple[int | str, ...]

LONGEST_VALUE = 60
"""Characters of a value that a message shows."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field."""

    location: Location
    code: str
    """The type of pydantic's error, such as `missing`."""
    message: str
    """One or more sentences."""
    value: Any = field(repr=False)

    @property
    def path(self) -> str:
        """The field as in expressions: `cases[0].name`; empty if the whole value is wrong."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.location)
        return "".join(parts).removeprefix(".")

    @property
    def dotted(self) -> str:
        """The field as in the REST framework: `cases.0.name`."""
        return ".".join(map(str, self.location))

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.location else self.message


def field_errors(
    error: ValidationError,
    *prefix: str,
    locate: Callable[[Location], Location] = lambda location: location,
    values: bool = True,
) -> list[FieldError]:
    """Return one error for each field that was refused.

    `prefix` comes before each location. `locate` corrects locations, for instance of a tagged union, whose tag pydantic
    counts as a part. With `values=False` no message shows a value: for models that hold secrets.
    """
    return [
        FieldError((*prefix, *locate(item["loc"])), item["type"], _message(item, values), item["input"])
        for item in error.errors(include_url=False)
    ]


def first_error(error: ValidationError, *prefix: str, values: bool = True) -> str:
    """Return the first error as one line: `parameters.seconds: Must be at least 0, not -1.`"""
    return str(field_errors(error, *prefix, values=values)[0])


_KINDS: dict[str, str] = {
    "string": "text",
    "bytes": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "an object",
    "mapping": "an object",
    "model": "an object",
    "model_attributes": "an object",
    "uuid": "a UUID",
    "datetime": "a date and time such as 2026-01-31T12:00:00Z",
    "date": "a date such as 2026-01-31",
    "time": "a time such as 12:00:00",
    "time_delta": "a duration in seconds",
}
"""By the beginning of an error's type; the rest is a detail of pydantic (`int_parsing`, `int_from_float`)."""

_TEXTS: dict[str, str] = {
    "missing": "This field is required.",
    "extra_forbidden": "Unknown field. Remove it or correct its name.",
    "finite_number": "Must be a finite number.",
    "greater_than": "Must be more than {gt}{but}.",
    "greater_than_equal": "Must be at least {ge}{but}.",
    "less_than": "Must be less than {lt}{but}.",
    "less_than_equal": "Must be at most {le}{but}.",
    "multiple_of": "Must be a multiple of {multiple_of}{but}.",
    "string_too_short": "Must have at least {min_length} characters; it has {length}.",
    "string_too_long": "Must have at most {max_length} characters; it has {length}.",
    "too_short": "Must have at least {min_length} {entries}; it has {actual_length}.",
    "too_long": "Must have at most {max_length} {entries}; it has {actual_length}.",
    "string_pattern_mismatch": "Must match the pattern {pattern} (a regular expression).",
    "literal_error": "Must be {choice}{but}.",
    "enum": "Must be {choice}{but}.",
    "union_tag_invalid": "The field {discriminator} must be {choice}{but}.",
    "union_tag_not_found": "The field {discriminator} is required.",
    "json_invalid": "Must be valid JSON: {error}.",
    "timezone_aware": "Must have a time zone, such as Z or +01:00.",
    "timezone_naive": "Must not have a time zone.",
    "none_required": "Must be null{but}.",
}


def _message(item: ErrorDetails, values: bool) -> str:
    code, context = item["type"], item.get("ctx", {})
    if code in ("value_error", "assertion_error"):  # raised by a check of ours, whose text is complete
        return _sentence(str(context["error"]))
    value = context.get("tag", item["input"])
    but = f", not {_shown(item['loc'], value, values)}"
    if (text := _TEXTS.get(code)) is not None:
        if code.endswith("too_short") and context["min_length"] == 1:
            return "Must not be empty."
        return text.format(**_words(context), but=but, length=len(value) if isinstance(value, str) else 0)
    kinds = [kind for beginning, kind in _KINDS.items() if code.startswith(f"{beginning}_")]
    return f"Must be {kinds[-1]}{but}." if kinds else _sentence(item["msg"])


def _words(context: dict[str, Any]) -> dict[str, Any]:
    """Return the values for a message: pydantic's context, and words derived from it."""
    expected = str(context.get("expected") or context.get("expected_tags") or "")
    several = " or " in expected or ", " in expected
    entries = "entry" if 1 in (context.get("min_length"), context.get("max_length")) else "entries"
    numbers = {name: int(each) for name, each in context.items() if isinstance(each, float) and each.is_integer()}
    return context | numbers | {"choice": f"one of {expected}" if several else expected, "entries": entries}


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _shown(location: Location, value: Any, values: bool) -> str:
    """Return a value for a message; only its kind if the value is long or might be a secret."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    hidden = not values or any(isinstance(part, str) and is_secret(part) for part in location)
    if isinstance(value, bool):
        return "true or false" if hidden else str(value).lower()
    if isinstance(value, int | float):
        return "a number" if hidden else f"{value:g}" if isinstance(value, float) else str(value)[:LONGEST_VALUE]
    if isinstance(value, str) and not hidden and len(value) <= LONGEST_VALUE:
        return repr(value) if value else "an empty text"
    return "text" if isinstance(value, str) else f"a value of type {type(value).__name__}"
