"""Syntax checks of workflows for web processes: `executions.domain.syntax` runs in a sandbox process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from executions.domain.graph import Graph, strings_in
from workflow_platform.core.sandbox.checking import CheckFailed, Checks, Text

_checks = Checks("executions.domain.syntax:run", "The syntax check")


def check_graph(graph: Graph, key: object, group: str) -> dict[Text, str | None]:
    """Check all JavaScript of a workflow in one task. `key` is the concurrency key of its settings.

    Returns the error of each text, or None. Raises CheckFailed, Unavailable.
    """
    texts = [text for node in graph.nodes.values() for text in _texts(node.type, node.parameters)]
    if isinstance(key, str):
        texts.append(("template", key))
    return _checks.verdicts(texts, group)


def check_template(template: str, group: str) -> str | None:
    """Return the syntax error of the expressions in `template`, or None. Raises Unavailable."""
    return _one(("template", template), group)


def check_code(code: str, group: str = "") -> str | None:
    """Return the syntax error of `code` as a function body, with its line, or None. Reuses results of `check_graph`.

    Raises Unavailable.
    """
    return _one(("code", code), group)


def _one(text: Text, group: str) -> str | None:
    try:
        return _checks.verdicts([text], group)[text]
    except CheckFailed as error:
        return str(error)


def _texts(type: str, parameters: dict[str, Any]) -> Iterator[Text]:
    if type == "code" and isinstance(code := parameters.get("code"), str):
        yield "code", code
    for _, text in strings_in(parameters, "parameters"):
        yield "template", text
