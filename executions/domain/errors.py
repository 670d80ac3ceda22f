"""Errors that a node reports to the person who wrote the workflow."""

from __future__ import annotations


class NodeError(Exception):
    """A node failed; the message is for the person who wrote the workflow."""

    def __init__(self, message: str, *, retryable: bool = False, retry_after: float | None = None) -> None:
        """`retry_after`: seconds that the called system asks to wait before the next attempt."""
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
