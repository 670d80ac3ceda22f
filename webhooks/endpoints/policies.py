"""Retry policies for people: the presets, and the delays of a policy under the current settings."""

from __future__ import annotations

from typing import Any, get_args

from django.utils.translation import gettext_noop as _

from webhooks.retry_schedule import Preset, RetryPolicy
from webhooks.sending.claimed_delivery import defaults

DESCRIPTIONS: dict[Preset, str] = {
    "quick": _("For receivers that are rarely down: a few attempts within seconds or minutes (settings WEBHOOK_*)."),
    "standard": _("For receivers that may be down for a weekend: the delays that Standard Webhooks recommends."),
    "custom": _(
        "Your own delays: either delays_seconds, or max_attempts, initial_seconds, multiplier and max_seconds."
    ),
}
"""In English, as the API gives them; pages translate them."""


def shown(policy: RetryPolicy) -> dict[str, Any]:
    """Return a policy with its number of attempts, its delays, its total duration and a summary."""
    known = defaults()
    delays = policy.longest_delays(known)
    return policy.model_dump(exclude_none=True) | {
        "attempts": len(delays) + 1,
        "longest_delays_seconds": delays,
        "horizon_seconds": policy.horizon_seconds(known),
        "in_words": policy.in_words(known),
    }


def presets() -> list[dict[str, Any]]:
    """Return every preset with its delays; `custom` with its defaults."""
    return [shown(RetryPolicy(preset=name)) | {"description": DESCRIPTIONS[name]} for name in get_args(Preset)]
