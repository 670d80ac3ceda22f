"""Retry policies as people see them: the presets, and what a policy comes to under the settings of this platform."""

from __future__ import annotations

from typing import Any, get_args

from webhooks.retry_schedule import Preset, RetryPolicy
from webhooks.sending.message import defaults

DESCRIPTIONS: dict[Preset, str] = {
    "quick": "For receivers that are hardly ever away: a few attempts within seconds or minutes (WEBHOOK_*).",
    "standard": "For receivers that may be away for a weekend: the delays of Standard Webhooks.",
    "custom": "Delays of its own: either delays_seconds, or max_attempts, initial_seconds, multiplier and max_seconds.",
}


def shown(policy: RetryPolicy) -> dict[str, Any]:
    """Return a policy with what it comes to: attempts, horizon, in words."""
    known = defaults()
    delays = policy.longest_delays(known)
    return policy.model_dump(exclude_none=True) | {
        "attempts": len(delays) + 1,
        "longest_delays_seconds": delays,
        "horizon_seconds": policy.horizon_seconds(known),
        "in_words": policy.in_words(known),
    }


def presets() -> list[dict[str, Any]]:
    """Return every preset with what it comes to; `custom` with what it is before anything is said."""
    return [shown(RetryPolicy(preset=name)) | {"description": DESCRIPTIONS[name]} for name in get_args(Preset)]
