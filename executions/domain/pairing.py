"""What `$("X").item` and its kin read: for each input item of a node run, the item of X that it came from. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from executions.domain.items import Item

_BY_FUNCTION = re.compile(r"\b(?:first|last)\s*\(\s*\)\s*\??\s*\.\s*json\b")
_WORDS = re.compile(r"""\bitem(?:Matching)?\b|\$node\b|\.\s*(?:json|binary)\b|\[\s*["'`](?:json|binary)\b""")


def uses_pairing(source: str) -> bool:
    """Return whether JavaScript may ask which item an item came from; too often yes, never wrongly no if it names the
    words."""
    return _WORDS.search(_BY_FUNCTION.sub("", source)) is not None


PairingData = Mapping[str, Any]
"""A pairing as JavaScript reads it: `{index, items, errors}`."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """For each input item, the item of one other node that it came from."""

    index: Sequence[int] | None
    """The index of the item in `items`, or -1 - n for the error n. None: the item of the same index."""
    items: Sequence[Item] | None = None
    """The items; None: those of the node's latest run."""
    errors: Sequence[str] = ()

    def as_dict(self) -> PairingData:
        """Return it as JavaScript reads it."""
        index = list(self.index) if isinstance(self.index, range) else self.index
        return {"index": index, "items": self.items, "errors": list(self.errors)}


def no_ancestor(name: str) -> str:
    """Return the error for a node that the item did not pass through."""
    return (
        f"this item did not come from node {name!r}: no path leads from an item of that node to it."
        f" Use $({name!r}).first(), .last() or .all()"
    )


def not_told(name: str, breaker: str) -> str:
    """Return the error for an item whose origin a node does not tell."""
    return (
        f"which item of node {name!r} this one came from is unknown: node {breaker!r} does not tell which items its"
        f" items came from. If it is a code node, return pairedItem with each item; else use $({name!r}).first(),"
        " .last() or .all()"
    )


def several(name: str, combiner: str) -> str:
    """Return the error for an item that came from several items."""
    return (
        f"this item came from several items of node {name!r}, which node {combiner!r} combined."
        f" Use $({name!r}).all(), .first() or .last()"
    )
