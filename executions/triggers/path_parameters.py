"""Paths with parameters, such as `users/:id`. Pure.

A path is stored in its canonical form, `users/:`, so that the routes that may match a request can be looked up by key.
The first part of a path is never a parameter: it tells the workspace.

The path of a request is decoded except for `%25` and `%2F`, so that a slash inside a part separates no parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from urllib.parse import unquote

from executions.nodes.webhook_trigger import MAX_PARTS, PATH, SEGMENT

MAX_PATH = 2_000
_LITERAL = re.compile(SEGMENT)
_PATH = re.compile(PATH)


def canonical(trigger_path: str) -> str:
    """Return a trigger's path without the names of its parameters."""
    return "/".join(":" if part.startswith(":") else part for part in trigger_path.split("/"))


def has_parameters(path: str) -> bool:
    """Return whether a path, canonical or not, has parameters."""
    return ":" in path


def requested(path: str, raw: str | None) -> str:
    """Return the path of a request, from its decoded path and, if it is known, its path as it arrived."""
    if raw is None or unquote(raw) != path:
        return path.rstrip("/").replace("%", "%25")
    parts = raw.rstrip("/").split("/")
    return "/".join(unquote(part).replace("%", "%25").replace("/", "%2F") for part in parts)


def candidates(path: str) -> list[str]:
    """Return the canonical paths that match the path of a request, the most specific first: a literal part goes before
    a parameter, from left to right. A path without parameters is found by its decoded text too."""
    decoded, parts = decoded_path(path), path.split("/")
    if len(path) > MAX_PATH:
        return []
    literal = [decoded] if _PATH.fullmatch(decoded) and not has_parameters(decoded) else []
    if not _LITERAL.fullmatch(parts[0]) or not all(parts):
        return literal
    if not 1 < len(parts) <= MAX_PARTS + 1:  # one more for the workspace's slug
        return literal
    fixed = {place for place, part in enumerate(parts) if not _LITERAL.fullmatch(part)}
    free = [place for place in range(1, len(parts)) if place not in fixed]
    chosen = [fixed.union(more) for count in range(len(free) + 1) for more in combinations(free, count)]
    patterns = sorted((sorted(places) for places in chosen if places), key=lambda places: _specificity(places, parts))
    return literal + ["/".join(":" if n in places else part for n, part in enumerate(parts)) for places in patterns]


def _specificity(places: list[int], parts: list[str]) -> list[bool]:
    return [number in places for number in range(len(parts))]


def decoded_path(path: str) -> str:
    """Return the path of a request without any escapes."""
    return unquote(path).rstrip("/")


def parameters_of(trigger_path: str, path: str) -> Mapping[str, str]:
    """Return the values of the parameters of a trigger's path in the path of a request, which may have a prefix."""
    names = trigger_path.split("/")
    values = path.split("/")[-len(names) :]
    if not has_parameters(trigger_path):
        return {}
    return {name[1:]: unquote(value) for name, value in zip(names, values, strict=True) if name.startswith(":")}


def matches(trigger_path: str, path: str) -> bool:
    """Return whether a trigger's path matches the path of a request without prefix."""
    return canonical(trigger_path) in candidates(path)


def with_names(route: str, trigger_path: str) -> str:
    """Return a canonical path, which may have a prefix, with the names that the trigger gives its parameters."""
    count = trigger_path.count("/") + 1
    return "/".join([*route.split("/")[:-count], trigger_path])
