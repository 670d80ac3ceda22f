"""Reading JSON that strangers send, so that all of it can also be stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*(\\u0000)")


class StrictJSONParser(JSONParser):
    """JSON as RFC 8259 has it. Refuses what PostgreSQL could not store (NUL, lone surrogates, NaN) or Python not walk
    (1,000 levels of nesting), always naming the position."""

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
    if found := _NUL.search(body):
        line = body.count(b"\n", 0, found.start(1)) + 1
        column = found.start(1) - body.rfind(b"\n", 0, found.start(1))
        raise ParseError(f"The body holds a NUL character, which cannot be stored: line {line} column {column}.")
    return parsed
