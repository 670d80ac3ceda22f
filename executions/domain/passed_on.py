"""Evaluates expressions that only pass on a value, such as `$json.customer` or `$("Orders").first().json.id`, without
JavaScript, so that integers stay exact and fields keep their order. No Django."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from executions.domain.items import Items, PackedItems
from executions.domain.pairing import PairingData
from executions.domain.plain_paths import BLANK, NOT_PLAIN, steps_of, walked

_MAX_LENGTH = 2_000
_END = r"(?![A-Za-z0-9_$])"
_START = re.compile(
    rf"""(?:\$(?P<word>json|vars){_END}|\$input\.(?P<own>item|first\(\)|last\(\))\.json{_END}"""
    r"""|\$\((?:"(?P<double>[^"\\\r\n]*)"|'(?P<single>[^'\\\r\n]*)')\)"""
    rf"""\.(?P<of_node>first\(\)|last\(\)|item|all\(\)\[(?P<number>0|[1-9][0-9]{{0,8}})\])\.json{_END}"""
    rf"""|\$node\[(?:"(?P<old_double>[^"\\\r\n]*)"|'(?P<old_single>[^'\\\r\n]*)')\]\.json{_END}"""
    rf"""|\$node\.(?P<old_name>[A-Za-z_$][A-Za-z0-9_$]*)\.json{_END})"""
)


class Scope(Protocol):
    """The data that an expression reads, `ExpressionScope`."""

    @property
    def items(self) -> Items: ...
    @property
    def nodes(self) -> Mapping[str, Callable[[], Items]]: ...
    @property
    def pairings(self) -> Mapping[str, Callable[[], PairingData]]: ...
    @property
    def vars(self) -> dict[str, Any]: ...


def passed_on(expression: str, scope: Scope, index: int, *, parse: bool) -> Any:
    """Return the value at the path that an expression consists of, or NOT_PLAIN. Packed items are left to JavaScript
    unless they may be parsed here (`parse`)."""
    found = _parsed(expression)
    if found is None:
        return NOT_PLAIN
    start, steps = found
    root = _root(start, scope, index, parse)
    value = NOT_PLAIN if root is NOT_PLAIN else walked(root, steps)
    return NOT_PLAIN if isinstance(value, float) else value  # JavaScript writes 1.0 as 1


_NO_PAIRING: PairingData = {"index": (), "items": ()}


def _paired(places: Sequence[int] | None, index: int) -> int:
    """Return the place of the item that an input item came from; negative if there is none."""
    if places is None:
        return index
    return places[index] if index < len(places) else -1


@lru_cache(maxsize=4096)
def _parsed(expression: str) -> tuple[re.Match[str], tuple[re.Match[str], ...]] | None:
    path = expression.strip(BLANK)
    if path.startswith("(") and path.endswith(")"):
        path = path[1:-1].strip(BLANK)
    if len(path) > _MAX_LENGTH or (start := _START.match(path)) is None:
        return None
    steps = steps_of(path[start.end() :])
    return None if steps is None else (start, steps)


def _node_in(start: re.Match[str]) -> str | None:
    """Return the node that `$("X")`, `$node["X"]` or `$node.X` names."""
    names = (start[group] for group in ("double", "single", "old_double", "old_single", "old_name"))
    return next((name for name in names if name is not None), None)


def _root(start: re.Match[str], scope: Scope, index: int, parse: bool) -> Any:
    own, of_node, name = start["own"], start["of_node"], _node_in(start)
    if start["word"] == "vars":
        return scope.vars
    if name is None:
        items = scope.items
        place = -1 if own == "last()" else 0 if own == "first()" else index
    else:
        items = scope.nodes.get(name, list)()
        place = -1 if of_node == "last()" else int(start["number"] or 0)
        if of_node in {"item", None}:
            pairing = scope.pairings[name]() if name in scope.pairings else _NO_PAIRING
            items = items if pairing["items"] is None else pairing["items"]
            place = _paired(pairing["index"], index)
            if place < 0:
                return NOT_PLAIN  # JavaScript raises the error
    if not -len(items) <= place < len(items) or (isinstance(items, PackedItems) and not parse):
        return NOT_PLAIN
    return items[place]
