"""Reading JSON that strangers send, so that all of it can also be stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

MAX_DEPTH = 200
"""Levels of nesting. Far below what Python can walk by recursion."""
_DEEPEST_WRITTEN = 254
"""What orjson writes; it refuses one level more."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*(\\u0000)")


class StrictJSONParser(JSONParser):
    """JSON as RFC 8259 has it. Refuses what PostgreSQL could not store (NUL, lone surrogates, NaN) or Python not walk
    (more than MAX_DEPTH levels of nesting)."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body. Raises `ParseError` (400)."""
        return parse_json(stream.read())


def parse_json(body: bytes) -> Any:
    """Return what `body` says. Raises `ParseError`, whose detail names line and column."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
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
    """Tell whether `value`, which `raw` says, is nested more than MAX_DEPTH levels deep."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    for _ in range(_DEEPEST_WRITTEN - MAX_DEPTH):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False
