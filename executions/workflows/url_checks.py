"""Checks the URLs of a graph's nodes when it is saved. Each call checks its URL again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from executions.domain.graph import GraphProblem
from executions.nodes.registry import node_types
from workflow_platform.core import outbound

_BEFORE_AN_EXPRESSION = re.compile(r"[a-zA-Z]+://[^/?#{]+[/?#]")
"""Scheme and host up to the delimiter after the host; a later expression changes neither."""


def refused_urls(nodes: object) -> list[GraphProblem]:
    """Return a problem for each URL that must not be called. Resolves host names, so call it outside a transaction.
    Other errors of the nodes are ignored."""
    urls = list(_urls(nodes))
    refused = outbound.check_urls_saved(dict.fromkeys(url for _, _, url in urls))
    return [
        GraphProblem(node_id, None, f"parameters.{name}", "refused", refused[url])
        for node_id, name, url in urls
        if url in refused
    ]


def _urls(nodes: object) -> Iterator[tuple[str, str, str]]:
    """Yield (node, parameter, URL) for each URL with a literal host."""
    for node in nodes if isinstance(nodes, list) else []:
        if not isinstance(node, dict) or not isinstance(parameters := node.get("parameters"), dict):
            continue
        node_type = node_types().get(str(node.get("type")))
        for name in node_type.url_parameters if node_type else ():
            if (url := _literal_part(parameters.get(name))) is not None:
                yield str(node.get("id")), name, url


def _literal_part(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    if "{{" not in value:
        return outbound.escaped(value)
    literal = _BEFORE_AN_EXPRESSION.match(value.split("{{")[0].lstrip())
    return literal[0] if literal else None
