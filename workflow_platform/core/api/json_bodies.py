"""Parses JSON of untrusted requests and rejects what cannot be stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from workflow_platform.core import exact_json

MAX_DEPTH = 200
"""The maximum nesting, far below Python's recursion limit."""
_DEEPEST_WRITTEN = 254
"""The maximum nesting that orjson writes."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*(\\u0000)")


class StrictJSONParser(JSONParser):
    """JSON (RFC 8259), read by `exact_json`. Rejects NUL, which PostgreSQL cannot store, and more than MAX_DEPTH levels
    of nesting."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body. Raises `ParseError` (400)."""
        return parse_json(stream.read())


def parse_json(body: bytes) -> Any:
    """Return the parsed `body`. Raises `ParseError`, whose detail names line and column."""
    try:
        parsed = exact_json.read(body)
    except exact_json.NotJson as error:
        raise ParseError(f"The body is not JSON: {error}.") from None
    if match := _NUL.search(body):
        line = body.count(b"\n", 0, match.start(1)) + 1
        column = match.start(1) - body.rfind(b"\n", 0, match.start(1))
        raise ParseError(
            f"The body contains a NUL character (U+0000), which cannot be stored: line {line} column {column}."
        )
    if is_too_deep(body, parsed):
        raise ParseError(f"The body is nested more than {MAX_DEPTH} levels deep.")
    return parsed


def is_too_deep(raw: bytes, value: Any) -> bool:
    """Return whether `value`, parsed from `raw`, is nested more than MAX_DEPTH levels deep."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    for _ in range(_DEEPEST_WRITTEN - MAX_DEPTH):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False
