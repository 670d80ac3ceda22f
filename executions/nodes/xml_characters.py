"""Characters that XML does not know, but feeds contain: HTML's names of characters, and control characters."""

from __future__ import annotations

import re
from html.entities import html5

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
# Sections in which a reference is text. Each is found in one go, also if it has no end.
_PART = re.compile(
    rf"<!\[CDATA\[(?:.*?\]\]>|.*)|<!--(?:.*?-->|.*)|<\?(?:.*?\?>|.*)|{_NAMED.pattern}",
    re.DOTALL,
)


def with_known_characters(source: str) -> str:
    """Return a document with numbers for HTML's names of characters (`&nbsp;`), and U+FFFD for characters that XML does
    not allow. References to other names stay."""
    source = _FORBIDDEN.sub("\ufffd", source)
    if all(found[1] in _OF_XML for found in _NAMED.finditer(source)):
        return source
    return _PART.sub(_numbered, source)


def _numbered(found: re.Match[str]) -> str:
    name = found[1]
    if name is None or name in _OF_XML or (characters := html5.get(f"{name};")) is None:
        return found[0]
    return "".join(f"&#{ord(character)};" for character in characters)
