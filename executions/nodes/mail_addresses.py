"""Email addresses as people write them: lists with names, quoted commas, semicolons, line breaks and end commas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import BeforeValidator

from executions.domain.errors import NodeError

MAX_ADDRESSES = 100
MAX_ADDRESS_TEXT = 20_000
_SHOWN = 100
_ENTRY = re.compile(r'(?:"(?:[^"\\\r\n]|\\[^\r\n])*+"|<[^<>\r\n]*+>|\([^()\r\n]*+\)|[^,;\r\n])++')
_NAMED = re.compile(r'(?P<name>(?:"(?:[^"\\]|\\.)*+"|[^<>"])*+)<(?P<address>[^<>]*)>\s*(?:\([^()]*\))?')
_COMMENTED = re.compile(r"(?P<address>\S+)\s*\((?P<name>[^()]*)\)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def _without_null(value: Any) -> Any:
    return "" if value is None else value


Addresses = Annotated[str | list[str], BeforeValidator(_without_null)]
"""The type of a parameter with addresses. An expression may find none."""


def addresses_in(field: str, value: str | list[str], index: int) -> list[str]:
    """Return the addresses of a parameter, with their names: `"Müller, Ann" <ann@example.com>`. Commas, semicolons and
    line breaks separate them. Raises NodeError that names the part that is not an address."""
    texts = [value] if isinstance(value, str) else value
    if sum(map(len, texts)) > MAX_ADDRESS_TEXT:
        raise NodeError(f"parameters.{field}: the addresses are longer than {MAX_ADDRESS_TEXT} characters.")
    return [_checked(entry, field, index) for text in texts for entry in _entries(text)]


def _entries(text: str) -> Iterator[str]:
    return (entry for found in _ENTRY.finditer(text) if (entry := found[0].strip()))


def _checked(entry: str, field: str, index: int) -> str:
    found = _NAMED.fullmatch(entry) or _COMMENTED.fullmatch(entry)
    name, address = (found["name"], found["address"]) if found else ("", entry)
    address, name = address.strip(), name.strip()
    try:
        if any(ord(c) < 32 or ord(c) == 127 or c in "\x85\u2028\u2029" for c in entry.replace("\t", " ")):
            raise ValidationError("control character")
        validate_email(address)
    except ValidationError:
        raise NodeError(
            f"parameters.{field}: {entry[:_SHOWN]!r} is not an email address (item {index})."
            ' Write ann@example.com, or "Ann" <ann@example.com> with double quotes around a name that contains a comma.'
        ) from None
    if quoted := _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\t", " ")
    return f'"{escaped}" <{address}>' if name else address
