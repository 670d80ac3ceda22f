"""The status of an endpoint, as a word and a sentence, from its row and its lane."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from webhooks.models import Endpoint, Lane

State = Literal["active", "paused", "disabled", "inactive", "resting", "failing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """`status` sets the colour. `since` is when the state began, `until` when it ends by itself."""

    state: State
    status: str
    word: str
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None


def standing(endpoint: Endpoint, lane: Lane | None, now: datetime) -> Standing:
    """Return the current status of the endpoint."""
    if not endpoint.active and endpoint.disabled_at:
        reason = endpoint.disabled_reason or "The endpoint responded 410 Gone, or failed for too long."
        return Standing("disabled", "failed", "disabled", reason, since=endpoint.disabled_at)
    if not endpoint.active:
        return Standing("inactive", "skipped", "inactive", "Off. Events are not delivered.")
    if endpoint.paused_at:
        return Standing("paused", "paused", "paused", "Deliveries are kept and not sent.", since=endpoint.paused_at)
    if lane and lane.open_until and lane.open_until > now:
        reason = f"Paused after {_failures(lane)} in a row."
        return Standing("resting", "timed_out", "paused (failing)", reason, lane.failing_since, lane.open_until)
    if lane and lane.failing_since:
        return Standing("failing", "waiting", "failing", f"{_failures(lane)} in a row.", since=lane.failing_since)
    return Standing("active", "completed", "active")


def _failures(lane: Lane) -> str:
    return f"{lane.failures} failure{'' if lane.failures == 1 else 's'}"
