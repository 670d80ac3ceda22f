"""Retry policies: when a failed delivery is attempted again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from workflow_platform.core.backoff import exponential, shortened

Preset = Literal["quick", "standard", "custom"]
STANDARD_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""The delays of the preset `standard`: about three days, as Standard Webhooks recommends."""
MOST_ATTEMPTS = 50
LONGEST_SECONDS = 7 * 86_400
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
GONE = 410
LONGEST_RETRY_AFTER = 86_400.0
"""A Retry-After is respected up to this time."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values of the preset `quick`: the settings WEBHOOK_*."""

    max_attempts: int
    initial_seconds: float
    multiplier: float
    max_seconds: float


class RetryPolicy(BaseModel):
    """The number of attempts and their delays. `quick` follows the settings, `custom` its own fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Preset = "quick"
    max_attempts: int | None = Field(None, ge=1, le=MOST_ATTEMPTS)
    initial_seconds: float | None = Field(None, ge=0, le=LONGEST_SECONDS)
    multiplier: float | None = Field(None, ge=1, le=10)
    max_seconds: float | None = Field(None, ge=0, le=LONGEST_SECONDS)
    delays_seconds: list[float] | None = Field(None, min_length=0, max_length=MOST_ATTEMPTS - 1)
    """For `custom`, instead of the four fields above: the delay before each further attempt."""
    retry_other_4xx: bool = False
    """Also retry all other 4xx responses except 410, as Standard Webhooks recommends."""

    @model_validator(mode="after")
    def _is_consistent(self) -> RetryPolicy:
        curve = (self.max_attempts, self.initial_seconds, self.multiplier, self.max_seconds)
        if self.preset != "custom" and (self.delays_seconds is not None or any(v is not None for v in curve)):
            raise ValueError("Only the preset custom accepts delays. Set preset to custom, or remove them.")
        if self.delays_seconds is not None and any(v is not None for v in curve):
            raise ValueError(
                "Give either delays_seconds, or max_attempts, initial_seconds, multiplier and max_seconds."
            )
        if any(not 0 <= delay <= LONGEST_SECONDS for delay in self.delays_seconds or ()):
            raise ValueError(f"Each of delays_seconds must be from 0 to {LONGEST_SECONDS}.")
        return self

    def longest_delays(self, defaults: Defaults) -> list[float]:
        """Return the delay before each further attempt in seconds, before jitter shortens it."""
        if self.preset == "standard":
            return [float(delay) for delay in STANDARD_SECONDS]
        if self.delays_seconds is not None:
            return list(self.delays_seconds)
        attempts = self.max_attempts or defaults.max_attempts
        first = defaults.initial_seconds if self.initial_seconds is None else self.initial_seconds
        factor = self.multiplier or defaults.multiplier
        longest = defaults.max_seconds if self.max_seconds is None else self.max_seconds
        longest = min(longest, LONGEST_SECONDS)
        return [exponential(retry, first, longest, factor) for retry in range(1, attempts)]

    def horizon_seconds(self, defaults: Defaults) -> float:
        """Return the longest time from the first to the last attempt."""
        return sum(self.longest_delays(defaults))

    def delay_after(self, attempt: int, defaults: Defaults, retry_after: float | None = None) -> float | None:
        """Return the seconds until the attempt after `attempt` (from 1); None if that was the last one.

        The jitter is full, from zero to the delay; for `standard` and `delays_seconds`, whose delays are explicit, it
        is a tenth. A receiver's `retry_after` is the minimum, up to LONGEST_RETRY_AFTER.
        """
        delays = self.longest_delays(defaults)
        if attempt > len(delays):
            return None
        longest = delays[attempt - 1]
        exact = self.preset == "standard" or self.delays_seconds is not None
        delay = shortened(longest, 0.1 if exact else 1)
        return max(delay, min(retry_after or 0.0, LONGEST_RETRY_AFTER))

    def is_retried(self, status: int) -> bool:
        """Return whether a response other than 2xx is retried."""
        if status == GONE:
            return False
        return status in RETRIED or (self.retry_other_4xx and 400 <= status < 500)

    def in_words(self, defaults: Defaults) -> str:
        """Return a summary for people."""
        delays = self.longest_delays(defaults)
        if not delays:
            return "1 attempt, no retries"
        return f"{len(delays) + 1} attempts within {_span(self.horizon_seconds(defaults))}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"about {seconds / size:.1f} {unit}s".replace(".0 ", " ")
    return f"{seconds:.0f} seconds" if seconds != 1 else "1 second"
