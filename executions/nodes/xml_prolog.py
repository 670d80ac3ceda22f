"""Reads past what stands before the root element of an XML document, without expanding or fetching anything."""

from __future__ import annotations

import re

MAX_DOCTYPE = 100_000
_MAX_TEXT = 1_000
# Sites send line breaks, warnings or byte order marks first, which XML does not allow before its declaration.
_BEFORE_DECLARATION = re.compile(rf"[^<]{{0,{_MAX_TEXT}}}(?=<\?xml\s)")
_MISC = re.compile(r"(?:[\s\ufeff\u200b\0]++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE\b", re.IGNORECASE)
# Each part is found in one go, also if it has no end: a search from each place would take quadratic time.
_IN_DOCTYPE = re.compile(
    r"""<!ENTITY\b|<!--(?:.*?-->|.*)|<\?(?:.*?\?>|.*)|"[^"]*+"?|'[^']*+'?|[^"'<>\[\]]++|.""", re.DOTALL | re.IGNORECASE
)


def without_prolog(source: str) -> str:
    """Return a document with white space for its declaration, comments and document type, so that lines and columns
    stay. Nothing that a document type declares applies: no entities, no default attributes. Raises ValueError for one
    that declares entities."""
    before = _BEFORE_DECLARATION.match(source)
    at = _after(_MISC, source, before.end() if before else 0)
    if _DOCTYPE.match(source, at):
        at = _after(_MISC, source, _end_of_doctype(source, at))
    return "\n" * source.count("\n", 0, at) + " " * (at - source.rfind("\n", 0, at) - 1) + source[at:]


def _after(pattern: re.Pattern[str], source: str, at: int) -> int:
    found = pattern.match(source, at)
    return found.end() if found else at


def _end_of_doctype(source: str, begin: int) -> int:
    is_inside = False  # of the declarations in brackets, which contain > too
    at = begin
    while (found := _IN_DOCTYPE.match(source, at)) and at - begin <= MAX_DOCTYPE:
        at, part = found.end(), found[0]
        if part == ">" and not is_inside:
            return at
        if part in "[]":
            is_inside = part == "["
        elif part.upper() == "<!ENTITY":
            raise ValueError("document types (DOCTYPE) that declare entities are not allowed")
    raise ValueError(f"its document type (DOCTYPE) does not end within {MAX_DOCTYPE} characters, the limit")
