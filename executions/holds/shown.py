"""The holds of executions as people see them: what waits, and what was answered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from executions.holds.inputs import Inputs
from executions.holds.subjects import HoldSubject, subjects_of
from executions.models import Execution, Wait
from executions.workflows.shown_definitions import for_viewers
from workflow_platform.core.secrets.secret_names import masked

MOST_SHOWN = 100
"""The newest holds of an execution are shown."""


@dataclass(frozen=True, slots=True)
class ShownHold:
    """A hold with what it is about. For `whole` False, secrets are masked by their names."""

    hold: Wait
    subject: HoldSubject
    input: Inputs
    """Its first items, of each input."""
    totals: dict[str, int]
    """How many items each input has."""
    parameters: dict[str, Any]
    answer: dict[str, Any] | None

    @property
    def state(self) -> str:
        """Return `open`, `answered`, `expired`, or `withdrawn` if the execution ended first."""
        hold = self.hold
        if hold.outcome is not None:
            return "answered"
        expired = hold.expires_at is not None and hold.expires_at <= (hold.resolved_at or timezone.now())
        if self.subject.execution.ended_at is not None and not expired:
            return "withdrawn"
        return "expired" if expired or hold.resolved_at is not None else "open"


def open_holds(executions: Collection[UUID]) -> QuerySet[Wait]:
    """Return the holds of these executions that can be answered, oldest first."""
    return Wait.objects.holds().open().filter(execution__in=executions).order_by("id")


def shown_holds(execution: Execution, *, whole: bool, limit: int) -> list[ShownHold]:
    """Return the holds of an execution, newest first, with up to `limit` items of each input and output.
    `whole`: with values under the names of secrets."""
    holds = list(Wait.objects.holds().filter(execution=execution).order_by("-id")[:MOST_SHOWN])
    return [_shown(subject, whole, limit) for subject in subjects_of(execution, holds)]


def _shown(subject: HoldSubject, whole: bool, limit: int) -> ShownHold:
    items = subject.input()
    definition = subject.definition if whole else for_viewers([subject.definition])[0]
    answer = _answer(subject, whole, limit)
    first = {name: list(islice(each, limit)) for name, each in items.items()}
    totals = {name: len(each) for name, each in items.items()}
    parameters = dict(definition.get("parameters") or {})
    return ShownHold(subject.hold, subject, first if whole else masked(first), totals, parameters, answer)


def _answer(subject: HoldSubject, whole: bool, limit: int) -> dict[str, Any] | None:
    """Return an answer with what it changed: the new values, bounded."""
    outcome = subject.hold.outcome
    if outcome is None:
        return None
    shown = {name: outcome[name] for name in ("action", "by", "at", "to") if name in outcome}
    shown["what"] = outcome.get("what", [])
    for name in ("input", "output"):
        if name in outcome:
            first = {output: items[:limit] for output, items in outcome[name].items()}
            shown[name] = first if whole else masked(first)
    if "node" in outcome:
        node = outcome["node"] if whole else for_viewers([outcome["node"]])[0]
        shown["parameters"] = node.get("parameters") or {}
    return shown
