"""What a statement of the postgres node can do to the database. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_QUERY = re.compile(r"\s*(select|table|values|show)\b", re.IGNORECASE)
_MAY_CHANGE = re.compile(r"--|/\*|\b(into|for\s+(no\s+key\s+)?(update|share|key\s+share))\b", re.IGNORECASE)
_CALL = re.compile(r"""([\w$"]+)\s*\(""")
_HARMLESS = re.compile(
    r"all|and|any|as|avg|by|case|cast|coalesce|count|distinct|else|except|exists|extract|from|greatest|having|in"
    r"|intersect|lateral|least|length|lower|max|min|not|now|nullif|on|or|over|partition|round|select|some|substring"
    r"|sum|then|to_char|trim|union|upper|using|values|when|where|with",
    re.IGNORECASE,
)
"""Words that may come before a parenthesis in a query that changes nothing. Any other may call a function that does."""


def only_reads(parameters: Mapping[str, Any]) -> bool:
    """Return whether a node with these parameters cannot change data: its transaction is read-only, or the statement
    is a query that calls no functions but well-known ones."""
    if parameters.get("read_only", True) is True:
        return True
    query = str(parameters.get("query", ""))
    if not _QUERY.match(query) or _MAY_CHANGE.search(query):
        return False
    return all(_HARMLESS.fullmatch(called) for called in _CALL.findall(query))
