"""The attempts of a node run before its last one, as its row keeps them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from executions.models import NodeRun

MAX_ATTEMPTS = 20
"""The first attempt and the newest others are kept."""
MAX_BODY = 2_000
"""The most characters of a response's body that are kept of each."""


def attempts_with(row: NodeRun, error: dict[str, Any], duration_ms: float, delay_ms: float) -> list[dict[str, Any]]:
    """Return the attempts of a node run with the one that has just failed: `{attempt, ended_at, duration_ms,
    retry_at, error}`. The next attempt is due at `retry_at`, after the delay."""
    known: list[dict[str, Any]] = list(row.attempts or [])
    ended_at = timezone.now()
    known.append(
        {
            "attempt": row.attempt,
            "ended_at": ended_at.isoformat(),
            "duration_ms": round(duration_ms, 3),
            "retry_at": (ended_at + timedelta(milliseconds=delay_ms)).isoformat(),
            "error": _shortened(error),
        }
    )
    return known if len(known) <= MAX_ATTEMPTS else [known[0], *known[2:]]


def _shortened(error: dict[str, Any]) -> dict[str, Any]:
    response = error.get("response")
    if response is None or len(body := response["body"] or "") <= MAX_BODY:
        return error
    return error | {"response": response | {"body": body[:MAX_BODY], "truncated": True}}
