"""Serializers of requests: bodies and queries must match the OpenAPI schema exactly.

DRF converts what it can: `"no"` and `0` are false, `1` is a string, an unknown or empty query parameter is ignored. A
filter that is ignored lists everything, and a `dry_run` that is converted runs. Here nothing is converted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.request import Request

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(6000, 1, 1, tzinfo=UTC)
"""No row is older or newer: filters with times beyond are equivalent."""
LARGEST_INTEGER = 2**53 - 1
"""The largest integer that every JSON parser keeps exactly; it fits into PostgreSQL's bigint."""
COMMON = frozenset({"format"})
"""Query parameters of every request."""
PAGING = frozenset({"limit", "cursor", "fields"})
"""Query parameters of every list with pages."""
_INTEGER = re.compile(r"-?[0-9]{1,30}")


class Moment(serializers.DateTimeField):
    """A point in time to filter by. Times beyond every row are replaced by EARLIEST or LATEST, so that neither time
    zones nor PostgreSQL overflow."""

    def enforce_timezone(self, value: datetime) -> datetime:
        """Return the time in UTC, within bounds."""
        if value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            return EARLIEST if value.year < LATEST.year else LATEST
        return min(max(value, EARLIEST), LATEST)


# --- Bodies ----------------------------------------------------------------------------------------------------------


class StrictBody:
    """A JSON body. Each field accepts only the JSON type that the schema names."""

    # A mixin, named before the serializer.
    fields: Any

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values. Raises ValidationError that names the fields of a wrong type."""
        if isinstance(data, Mapping):
            refuse_wrong_types(self.fields, data)
        return super().to_internal_value(data)  # type: ignore[misc]


class BodySerializer(StrictBody, serializers.Serializer[Any]):
    """A JSON body, or an object in one."""

    closed = False
    """Whether unknown fields are rejected: a filter with `type` instead of `types` would match everything, and a rerun
    with `dryrun` instead of `dry_run` would run."""
    returned: frozenset[str] = frozenset()
    """Fields of responses that a client may send back with a change. They are ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values."""
        unknown = (
            sorted(set(data) - set(self.fields) - self.returned) if self.closed and isinstance(data, Mapping) else []
        )
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError({unknown[0][:60]: [f"Unknown field. Known fields: {known}."]})
        return super().to_internal_value(data)


def refuse_wrong_types(fields: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Check the JSON type of each field. Raises ValidationError that names those of a wrong type."""
    problems = {name: wrong_type(field, data[name]) for name, field in fields.items() if name in data}
    if errors := {name: [problem] for name, problem in problems.items() if problem}:
        raise serializers.ValidationError(errors)


def wrong_type(field: serializers.Field[Any, Any, Any, Any], value: Any) -> str | None:
    """Return what is wrong with the JSON type of a value; None if it is right, or the field validates it itself."""
    if value is None or field.read_only:
        return None
    if isinstance(field, serializers.ListField | serializers.MultipleChoiceField):
        if not isinstance(value, list):
            return f"Expected an array, not {_shown(value)}."
        child = getattr(field, "child", None) or serializers.CharField()
        return next((problem for each in value if (problem := wrong_type(child, each))), None)
    if isinstance(field, serializers.DictField):
        if not isinstance(value, dict):
            return f"Expected an object, not {_shown(value)}."
        return next((problem for each in value.values() if (problem := wrong_type(field.child, each))), None)
    if isinstance(field, serializers.ListSerializer):
        return None if isinstance(value, list) else f"Expected an array, not {_shown(value)}."
    if isinstance(field, serializers.Serializer):
        return None if isinstance(value, dict) else f"Expected an object, not {_shown(value)}."
    if isinstance(field, serializers.BooleanField):
        return None if isinstance(value, bool) else f"Expected true or false, not {_shown(value)}."
    if isinstance(field, serializers.IntegerField):
        return _wrong_integer(value)
    if isinstance(field, serializers.FloatField | serializers.DecimalField):
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return None if fits else f"Expected a number, not {_shown(value)}."
    if isinstance(
        field, serializers.CharField | serializers.UUIDField | serializers.DateTimeField | serializers.ChoiceField
    ):
        return None if isinstance(value, str) else f"Expected a string, not {_shown(value)}."
    return None


def _wrong_integer(value: Any) -> str | None:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        return f"Expected an integer, not {_shown(value)}."
    if abs(value) > LARGEST_INTEGER:
        return f"Expected an integer from -{LARGEST_INTEGER} to {LARGEST_INTEGER}."
    return None


def _shown(value: Any) -> str:
    """Return the type of a JSON value for an error, without its content, which may be a secret."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"


# --- Queries ---------------------------------------------------------------------------------------------------------


class QueryBoolean(serializers.BooleanField):
    """`true` or `false`. Left out, it is not false, as a box on a form would be: it has its default, or no value."""

    default_empty_html = empty


class QuerySerializer(serializers.Serializer[Any]):
    """The query of a request. Rejects unknown names, empty values, and repeated values."""

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the validated query of a request. Raises ValidationError that names the parameter."""
        has_pages = getattr((request.parser_context or {}).get("view"), "paginator", None) is not None
        query = cls(data=request.query_params, context={"known": COMMON | (PAGING if has_pages else frozenset())})
        query.is_valid(raise_exception=True)
        # `CheckedQueries` and `CursorPages` refuse unknown names of queries that nobody checked.
        request._request.query_is_checked = True  # type: ignore[attr-defined]
        return query

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values."""
        if isinstance(data, QueryDict):
            known = set(self.fields) | self.context["known"]
            errors = {name: [problem] for name in data if (problem := self._wrong(name, data.getlist(name), known))}
            if errors:
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)

    def _wrong(self, name: str, values: list[str], known: set[str]) -> str | None:
        if name not in known:
            return unknown_parameter(known)
        field = self.fields.get(name)
        many = isinstance(field, serializers.ListField | serializers.MultipleChoiceField)
        if len(values) > 1 and not many:
            return "This parameter is given more than once."
        if not getattr(field, "allow_blank", False) and not all(_says_something(value, field) for value in values):
            return "The value is empty. Give a value, or omit the parameter."
        if isinstance(field, serializers.BooleanField) and values[0] not in {"true", "false"}:
            return "Expected true or false."
        if isinstance(field, serializers.IntegerField) and not _is_integer(values[0]):
            return f"Expected an integer from -{LARGEST_INTEGER} to {LARGEST_INTEGER}."
        return None


def unknown_parameter(known: Iterable[str]) -> str:
    """Return what is wrong with a query parameter that a request does not have."""
    return f"Unknown parameter. Known parameters: {', '.join(sorted(known))}."


def _says_something(value: str, field: Any) -> bool:
    """Return whether a value is not blank; in a list separated by commas, not only commas."""
    return bool(value.strip(", ") if isinstance(field, serializers.ListField) else value.strip())


def _is_integer(text: str) -> bool:
    return bool(_INTEGER.fullmatch(text)) and abs(int(text)) <= LARGEST_INTEGER
