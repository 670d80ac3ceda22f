"""How an endpoint stands, in a word and a sentence: what its row and its lane say together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from webhooks.models import Endpoint, Lane

State = Literal["active", "paused", "disabled", "inactive", "resting", "failing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """`status` colours it; `until` is when it changes by itself, `since` when it began to be so."""

    state: State
    status: str
    word: str
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None


def standing(endpoint: Endpoint, lane: Lane | None, now: datetime) -> Standing:
    """Return how the endpoint stands now."""
    if not endpoint.active and endpoint.disabled_at:
        reason = endpoint.disabled_reason or "It answered that it is gone, or failed for days."
        return Standing("disabled", "failed", "disabled", reason, since=endpoint.disabled_at)
    if not endpoint.active:
        return Standing("inactive", "skipped", "inactive", "Events do not become deliveries.")
    if endpoint.paused_at:
        return Standing("paused", "paused", "paused", "Deliveries are kept, and not sent.", since=endpoint.paused_at)
    if lane and lane.open_until and lane.open_until > now:
        reason = f"{lane.failures} attempts in a row failed: it is left in peace for a while, then tried once."
        return Standing("resting", "timed_out", "breaker open", reason, lane.failing_since, lane.open_until)
    if lane and lane.failing_since:
        reason = f"{lane.failures} attempt{'' if lane.failures == 1 else 's'} in a row failed."
        return Standing("failing", "waiting", "failing", reason, since=lane.failing_since)
    return Standing("active", "completed", "active")
