"""Secrets that stand in a workflow's parameters, where everyone who may see the workflow can read them."""

from __future__ import annotations

from executions.domain.syntax import expressions_in

WRITTEN_DOWN = (
    "Do not write a {} into a workflow: everyone who may see the workflow can read it. Create a credential of the type"
    " {} and name it in `credential`."
)


def holds_literal(text: str) -> bool:
    """Tell whether a parameter holds a secret itself, rather than an expression that takes it from items or variables.

    `{{ $json.key }}` holds none; `abc`, `abc{{ $json.key }}` and `{{ "abc" }}` do.
    """
    at, around, literal = 0, list[str](), False
    for begin, end in expressions_in(text):
        around.append(text[at:begin])
        literal = literal or "$" not in text[begin:end]
        at = end
    return literal or bool("".join([*around, text[at:]]).strip())
