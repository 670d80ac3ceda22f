"""Syntax checks of the JavaScript in workflows: code and expressions. Checked code is never run. No Django.

The web process requests them with `executions.sandbox.checking`; the checks run in a sandbox process.
"""

from __future__ import annotations

from executions.domain.expression_ends import expressions_in, is_left_open
from executions.domain.words import uses_await
from workflow_platform.core.sandbox.javascript import Parser, verdicts

_SHOWN = 200


def run(parts: list[bytes]) -> list[bytes]:
    """Check texts of the kinds `template` and `code`, as a task of a sandbox process (see `verdicts`)."""
    return verdicts(parts, lambda parser, kind, text: _CHECKS[kind](text, parser))


def check_syntax(template: str, parser: Parser | None = None) -> str | None:
    """Return the first problem of the expressions in `template`, or None."""
    parser, places = parser or Parser(), expressions_in(template)
    for begin, end in places:
        expression = template[begin + 2 : end - 2]
        if not expression.strip():
            return "The expression {{ }} is empty."
        if (problem := parser.problem("expression", expression)) is not None:
            shown = template[begin:end]
            shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
            return f"The expression {shown} has a syntax error: {problem.message}"
    if is_left_open(template, places):
        return "An expression starts with {{ but has no closing }}."
    return None


def check_code(code: str, parser: Parser | None = None) -> str | None:
    """Return the syntax error of `code` as a function body, with its line, or None."""
    problem = (parser or Parser()).problem("async_body" if uses_await(code) else "body", code)
    if problem is None:
        return None
    return problem.message + (f" (line {problem.line})" if problem.line else "")


_CHECKS = {"template": check_syntax, "code": check_code}
