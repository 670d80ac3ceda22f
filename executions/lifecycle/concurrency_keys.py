"""Concurrency keys: the value, from the first input item, that the executions of a workflow are counted by.

A key that only reads a path is read here. Other keys are JavaScript and are evaluated in a sandbox process. That takes
time, so it happens before the transaction that creates the execution (`creation.settle_keys`).
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
from workflow_platform.core.sandbox.short_tasks import LONGEST_SECONDS, SandboxUnavailable

KEY_LENGTH = 200
Items = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ConcurrencyKey:
    """The key of an execution of this version, or the error if it has none."""

    version_id: UUID
    text: str = ""
    error: str = ""


def read(version: WorkflowVersion, items: Items) -> ConcurrencyKey | None:
    """Return the key; None if it needs JavaScript."""
    template = _template(version)
    if not template:
        return ConcurrencyKey(version.pk)
    value = plain_paths.read(template, {"$json": _first(items)[0], "$vars": _vars(version)})
    return None if value is plain_paths.NOT_PLAIN else ConcurrencyKey(version.pk, _text(value))


def evaluate(executions: Sequence[tuple[WorkflowVersion, Items]], group: str) -> list[ConcurrencyKey | None]:
    """Return the keys of executions in one workspace, `group`; None for those that were not reached in time, which is
    never the first. Raises SandboxUnavailable. Not for use within a transaction."""
    evaluations = [EvaluationRequest(_template(version), _scope(version, items)) for version, items in executions]
    values = evaluate_all(evaluations, group=group)
    return [_key(version, value) for (version, _), value in zip(executions, values, strict=True)]


def of_all(executions: Sequence[tuple[WorkflowVersion, Items]], group: str) -> list[ConcurrencyKey]:
    """Return the keys of executions in one workspace. Raises SandboxUnavailable, also after LONGEST_SECONDS."""
    keys: list[ConcurrencyKey | None] = [read(version, items) for version, items in executions]
    deadline = time.monotonic() + LONGEST_SECONDS
    while missing := [index for index, key in enumerate(keys) if key is None]:
        if time.monotonic() > deadline:
            raise SandboxUnavailable(
                f"The concurrency keys of {len(executions)} executions took longer than {LONGEST_SECONDS:g} s."
            )
        for index, key in zip(missing, evaluate([executions[index] for index in missing], group), strict=True):
            keys[index] = key
    return [key for key in keys if key is not None]


def _key(version: WorkflowVersion, value: Any) -> ConcurrencyKey | None:
    if value is NOT_REACHED:
        return None
    if isinstance(value, ExpressionError):
        return ConcurrencyKey(version.pk, error=str(value))
    return ConcurrencyKey(version.pk, _text(value))


def _template(version: WorkflowVersion) -> str:
    return str((version.settings.get("concurrency") or {}).get("key") or "")


def _first(items: Items) -> Items:
    return items[:1] or [{}]


def _scope(version: WorkflowVersion, items: Items) -> ExpressionScope:
    return ExpressionScope(_first(items), vars=_vars(version), surroundings={"timezone": version.timezone})


def _vars(version: WorkflowVersion) -> dict[str, Any]:
    return version.settings.get("vars") or {}


def _text(value: Any) -> str:
    text = str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL cannot store it
    return text if len(text) <= KEY_LENGTH else f"{text[:100]}…{hashlib.sha256(text.encode()).hexdigest()}"
