"""Errors that a node reports to the person who wrote the workflow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ExpressionPlace:
    """The expression that failed, and where it is."""

    parameter: str
    """Its path, such as `parameters.headers.X-Id`."""
    source: str
    """The expression with its braces."""
    item: int
    """The number of the item that it was evaluated for."""
    line: int | None = None
    """Where in `source` it failed, from 1; None if unknown."""
    column: int | None = None

    def as_data(self) -> dict[str, Any]:
        """Return it as the field `expression` of an error."""
        return asdict(self)


class NodeError(Exception):
    """A node failed; the message is for the person who wrote the workflow."""

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        response: dict[str, Any] | None = None,
        expression: ExpressionPlace | None = None,
    ) -> None:
        """`retry_after`: seconds that the called system asks to wait before the next attempt. `response`: what the
        called system answered, redacted and bounded, `{status, headers, body, truncated}`. `expression`: the expression
        that failed."""
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
        self.response = response
        self.expression = expression
