"""The URLs that the nodes of a graph will call, checked when it is saved. They are checked again at every call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from executions.domain.graph import GraphProblem
from executions.nodes.registry import node_types
from workflow_platform.core import outbound

_BEFORE_AN_EXPRESSION = re.compile(r"[a-zA-Z]+://[^/?#{]+[/?#]")
"""Scheme and host, with what ends the host: an expression after that changes neither."""


def refused_urls(nodes: object) -> list[GraphProblem]:
    """Return a problem for each URL that may not be called. Asks for names: not for use within a transaction. What
    is malformed otherwise is not its business."""
    found = list(_urls(nodes))
    refused = outbound.check_urls_saved(dict.fromkeys(url for _, _, url in found))
    return [
        GraphProblem(node_id, None, f"parameters.{name}", "refused", refused[url])
        for node_id, name, url in found
        if url in refused
    ]


def _urls(nodes: object) -> Iterator[tuple[str, str, str]]:
    """Yield (node, parameter, URL) as far as the host is written down."""
    for node in nodes if isinstance(nodes, list) else []:
        if not isinstance(node, dict) or not isinstance(parameters := node.get("parameters"), dict):
            continue
        node_type = node_types().get(str(node.get("type")))
        for name in node_type.url_parameters if node_type else ():
            if (url := _as_far_as_fixed(parameters.get(name))) is not None:
                yield str(node.get("id")), name, url


def _as_far_as_fixed(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    if "{{" not in value:
        return value
    fixed = _BEFORE_AN_EXPRESSION.match(value.split("{{")[0])
    return fixed[0] if fixed else None
