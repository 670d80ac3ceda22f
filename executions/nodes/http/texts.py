"""Values of expressions as texts of HTTP: in headers, queries and forms. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import BeforeValidator

from workflow_platform.core import exact_json

ListFormat = Literal["repeat", "brackets", "comma"]


def text_of(value: Any) -> str:
    """Return a text as it is, any other value as JSON; 2.0 is `2`, as JavaScript writes it."""
    return value if isinstance(value, str) else exact_json.javascript_text(value)


def _header_texts(headers: Any) -> Any:
    if not isinstance(headers, dict):
        return headers
    return {name: text_of(value) for name, value in headers.items() if value is not None}


Headers = Annotated[dict[str, str], BeforeValidator(_header_texts)]
"""Headers whose values expressions may return as numbers, booleans or objects. A header that is null is left out."""


def encoded(fields: Mapping[str, Any], lists: ListFormat) -> str:
    """Return fields as a query or form. A field or element that is null is left out."""
    return urlencode(list(pairs(fields, lists)), errors="replace")


def pairs(fields: Mapping[str, Any], lists: ListFormat) -> Iterator[tuple[str, str]]:
    """Yield the (name, text) of each value of a query or form."""
    for name, value in fields.items():
        if lists == "brackets":
            yield from _in_brackets(name, value)
        elif isinstance(value, list):
            texts = [text_of(element) for element in value if element is not None]
            if lists == "repeat":
                yield from ((name, text) for text in texts)
            elif texts:
                yield name, ",".join(texts)
        elif value is not None:
            yield name, text_of(value)


def _in_brackets(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _in_brackets(f"{name}[{key}]", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            # Elements with parts of their own need a number, so that the parts stay together.
            yield from _in_brackets(f"{name}[{index if isinstance(inner, dict | list) else ''}]", inner)
    elif value is not None:
        yield name, text_of(value)
