"""Errors of expressions, and where in an expression they happened. Pure."""

from __future__ import annotations

import re

from executions.domain.errors import ExpressionPlace
from executions.domain.extension_calls import extended

_FRAME = re.compile(r"\(<input>:(\d+):(\d+)\)")
_FIRST_LINE, _OUTER_FRAMES = 3, 3
"""An expression begins on this line of what QuickJS runs; so many frames of a stack are around it."""
SHOWN_SOURCE = 2_000
"""The most characters of an expression that an error carries."""


class ExpressionError(Exception):
    """An expression or code did not return a value; the message explains why."""

    def __init__(self, message: str, source: str = "", line: int | None = None, column: int | None = None) -> None:
        """`source` is the expression with its braces, in which the line and the column count from 1."""
        super().__init__(message)
        self.source, self.line, self.column = source[:SHOWN_SOURCE], line, column
        self.path: list[str | int] = []
        """Where the expression is in the value that was resolved."""

    def name(self, source: str) -> None:
        """Say which expression failed."""
        self.source = source[:SHOWN_SOURCE]

    def place(self, field: str, item: int) -> ExpressionPlace | None:
        """Return where the expression is if it is known. `field` holds the value, which was resolved for an item."""
        if not self.source:
            return None
        parameter = field + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path)
        return ExpressionPlace(parameter, self.source, item, self.line, self.column)


def position_in(stack: str, source: str) -> tuple[int, int] | tuple[None, None]:
    """Return the line and column, in an expression with its braces, of the innermost frame that is in it."""
    frames = [(int(line), int(column)) for line, column in _FRAME.findall(stack)][:-_OUTER_FRAMES]
    if not frames or not source or extended(source) != source:  # rewritten: its columns are others
        return None, None
    last = source.count("\n")  # the first and the last line are of the brackets around it
    line, column = next((each for each in frames if _FIRST_LINE <= each[0] <= last + 1), (0, 0))
    if not line:
        return None, None
    line -= _FIRST_LINE - 1
    return line, column + 2 if line == 1 else column
