"""The nodes that expressions and code name, as in `$("Orders")`. Pure.

A literal name that no node has is found when the workflow is saved; other names, at run time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches

from executions.domain.expression_ends import Token, expressions_in, tokens_of
from executions.domain.words import without_escapes

_MAY_NAME = re.compile(r"\$\s*\(|\$node\b|\$items\b")
_NOT_RUN = re.compile(r'node ("(?:[^"\\]|\\.)*") has not run yet')
_NATIVE = frozenset({"toJSON", "constructor", "hasOwnProperty", "toString", "valueOf"})


def named_in_template(template: str) -> list[str]:
    """Return the names that the expressions of a template give literally to `$("X")`, `$node["X"]` or `$items("X")`."""
    if _MAY_NAME.search(template) is None:
        return []
    return [name for begin, end in expressions_in(template) for name in named_in_code(template[begin + 2 : end - 2])]


def named_in_code(code: str) -> list[str]:
    """Return the names that JavaScript gives literally to `$("X")`, `$node["X"]` or `$items("X")`; none if it gives
    `$` another meaning, or cannot be scanned. Comments do not count."""
    if _MAY_NAME.search(code) is None or (tokens := tokens_of(code)) is None:
        return []
    defines = any(
        token.text == "$" and token.kind == "word" and _kind(tokens, at + 1) != "(" and _kind(tokens, at - 1) != "."
        for at, token in enumerate(tokens)
    )
    return [] if defines else list(_names(tokens))


def _names(tokens: list[Token]) -> Iterator[str]:
    for at, token in enumerate(tokens):
        if token.kind != "word" or _kind(tokens, at - 1) == ".":
            continue
        opened = {"$": "(", "$items": "(", "$node": "["}.get(token.text)
        if opened is not None and _kind(tokens, at + 1) == opened and _kind(tokens, at + 2) in {"string", "template"}:
            if _kind(tokens, at + 3) in {")", "]", ","}:
                yield without_escapes(tokens[at + 2].text[1:-1])
        elif token.text == "$node" and _kind(tokens, at + 1) == "." and _kind(tokens, at + 2) == "word":
            yield tokens[at + 2].text


def _kind(tokens: list[Token], at: int) -> str:
    return tokens[at].kind if 0 <= at < len(tokens) else ""


def unknown_node(name: str, names: Collection[str]) -> str | None:
    """Return the error for a name that no node has; None if one has it. `names` are all ids and names."""
    if name in names or name in _NATIVE:
        return None
    nearest = _nearest(name, names)
    return f"The workflow has no node {name[:200]!r}." + (f" Do you mean {nearest!r}?" if nearest else "")


def _nearest(name: str, names: Collection[str]) -> str:
    by_lower = {each.lower(): each for each in sorted(names, reverse=True)}  # "Orders" before "orders"
    found = get_close_matches(name.lower()[:200], by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def with_node_names(message: str, names: Collection[str] | None) -> str:
    """Return an error of JavaScript. If it says that a node has not run that does not exist, it says so."""
    if names is None or (found := _NOT_RUN.search(message)) is None:
        return message
    try:
        problem = unknown_node(str(json.loads(found[1])), names)
    except ValueError:
        return message
    if problem is None:
        return message
    problem = problem[0].lower() + problem[1:].removesuffix(".")
    return message[: found.start()] + problem + message[found.end() :]
