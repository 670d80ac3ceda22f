"""Secrets that stand in a workflow's parameters, where everyone who may see the workflow can read them."""

from __future__ import annotations

import re

WRITTEN_DOWN = (
    "Do not write a {} into a workflow: everyone who may see the workflow can read it. Create a credential of the type"
    " {} and name it in `credential`."
)
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def holds_literal(text: str) -> bool:
    """Tell whether a parameter holds a secret itself, rather than an expression that takes it from items or variables.

    `{{ $json.key }}` holds none; `abc`, `abc{{ $json.key }}` and `{{ "abc" }}` do.
    """
    expressions = _EXPRESSION.findall(text)
    return bool(_EXPRESSION.sub("", text).strip()) or any("$" not in each for each in expressions)
