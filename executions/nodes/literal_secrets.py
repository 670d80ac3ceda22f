"""Detects literal secrets in a workflow's parameters, which everyone who can see the workflow can read."""

from __future__ import annotations

from executions.domain.expression_ends import expressions_in

USE_A_CREDENTIAL = (
    "Do not store a {} in a workflow: everyone who can see the workflow can read it. Create a credential of the type {}"
    " and enter its name in `credential`."
)


def holds_literal(text: str) -> bool:
    """Return whether a parameter contains a literal secret, and not only an expression that reads items or variables.

    `{{ $json.key }}` contains none; `abc`, `abc{{ $json.key }}` and `{{ "abc" }}` do.
    """
    at, around, literal = 0, list[str](), False
    for begin, end in expressions_in(text):
        around.append(text[at:begin])
        literal = literal or "$" not in text[begin:end]
        at = end
    return literal or bool("".join([*around, text[at:]]).strip())
