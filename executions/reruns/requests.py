"""What a rerun is asked to do, and why it may be refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from executions.domain.effects import Choice

START, FAILED = "start", "failed"
NODE_PREFIX = "node:"
"""The prefix of a node id, needed for nodes with the id `start` or `failed`."""

Items = list[dict[str, Any]]


class NotEnded(Exception):
    """Only an ended execution can be rerun."""


class CannotRerun(Exception):
    """The request does not match the execution; `field` names the part of the request to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """A request to rerun from `start`: `start`, `failed` or a node's id. `input` replaces the input of the execution or
    of that node. The priority and the mode default to those of the original execution."""

    start: str = START
    version: Literal["same", "latest"] = "same"
    input: Items | None = None
    priority: str | None = None
    mode: str | None = None
    choices: Mapping[str, Choice] = field(default_factory=dict)
    """Nodes that do not run as usual."""
    on_failure: str | None = None
    """What happens when a node fails for good; like `hold_seconds`, by default as in the original execution."""
    hold_seconds: int | None = None
