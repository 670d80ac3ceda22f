"""Concurrency keys: what executions of a workflow are counted by, from the first item of their input.

A key that only reads a path is read here. Any other is JavaScript, which a sandbox process evaluates: that takes time,
so it is done ahead of the transaction that creates the execution (`ahead`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from executions.domain import plain_paths
from executions.domain.expressions import ExpressionError, ExpressionScope
from executions.models import WorkflowVersion
from executions.sandbox.evaluate import NOT_REACHED, EvaluationRequest, evaluate_all
from workflow_platform.core.sandbox.asking import LONGEST_SECONDS, SandboxUnavailable

KEY_LENGTH = 200
Items = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ConcurrencyKey:
    """The key of an execution of this version, or why there is none."""

    version_id: UUID
    text: str = ""
    error: str = ""


def read(version: WorkflowVersion, items: Items) -> ConcurrencyKey | None:
    """Return the key, if no JavaScript is needed for it."""
    template = _template(version)
    if not template:
        return ConcurrencyKey(version.pk)
    value = plain_paths.read(template, {"$json": _first(items)[0], "$vars": _vars(version)})
    return None if value is plain_paths.NOT_PLAIN else ConcurrencyKey(version.pk, _text(value))


def evaluate(wanted: Sequence[tuple[WorkflowVersion, Items]], group: str) -> list[ConcurrencyKey | None]:
    """Return the keys of executions in one workspace, `group`: None for those that there was no time for; not the
    first. Raises SandboxUnavailable. Not for use within a transaction."""
    questions = [
        EvaluationRequest(_template(version), ExpressionScope(_first(items), vars=_vars(version)))
        for version, items in wanted
    ]
    answers = evaluate_all(questions, group=group)
    return [_key(version, answer) for (version, _), answer in zip(wanted, answers, strict=True)]


def of_all(wanted: Sequence[tuple[WorkflowVersion, Items]], group: str) -> list[ConcurrencyKey]:
    """Return the keys of executions in one workspace. Raises SandboxUnavailable, also if that takes too long."""
    found: list[ConcurrencyKey | None] = [read(version, items) for version, items in wanted]
    last = time.monotonic() + LONGEST_SECONDS
    while left := [place for place, key in enumerate(found) if key is None]:
        if time.monotonic() > last:
            raise SandboxUnavailable(
                f"The concurrency keys of {len(wanted)} executions took longer than {LONGEST_SECONDS:g} s."
            )
        for place, key in zip(left, evaluate([wanted[place] for place in left], group), strict=True):
            found[place] = key
    return [key for key in found if key is not None]


def _key(version: WorkflowVersion, answer: Any) -> ConcurrencyKey | None:
    if answer is NOT_REACHED:
        return None
    if isinstance(answer, ExpressionError):
        return ConcurrencyKey(version.pk, error=str(answer))
    return ConcurrencyKey(version.pk, _text(answer))


def _template(version: WorkflowVersion) -> str:
    return str((version.settings.get("concurrency") or {}).get("key") or "")


def _first(items: Items) -> Items:
    return items[:1] or [{}]


def _vars(version: WorkflowVersion) -> dict[str, Any]:
    return version.settings.get("vars") or {}


def _text(value: Any) -> str:
    text = str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")  # which PostgreSQL could not store
    return text if len(text) <= KEY_LENGTH else f"{text[:100]}…{hashlib.sha256(text.encode()).hexdigest()}"
