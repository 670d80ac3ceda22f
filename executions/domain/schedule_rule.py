"""Schedules: a cron rule in a time zone, or a fixed interval. Pure: no Django, no database.

Cron times follow Debian's cron at changes of daylight saving time. A rule for a fixed time of day (neither minute nor
hour begins with `*`) runs once a day: a time that is skipped in spring runs at the first minute after the gap, a time
that occurs twice in autumn runs at the first occurrence. A rule with `*` in minute or hour follows wall-clock time:
skipped times do not run, repeated times run twice. Intervals are elapsed time and ignore the time zone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

MAX_SECONDS = 366 * 86_400
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS = "minute, hour, day of month, month, day of week"
NOT_PLACES = {"Factory", "localtime"}
"""Entries of the time zone database that are not places, or depend on the machine."""


class BadRule(ValueError):
    """The cron rule or time zone is invalid; the message is for the author of the workflow."""


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - NOT_PLACES)


def checked_timezone(name: str) -> str:
    """Return the name of an IANA time zone. Raises BadRule."""
    if name in _zones():
        return name
    near = get_close_matches(name, _zones(), n=1)
    hint = f"Did you mean {near[0]}?" if near else "Use an IANA name such as Europe/Berlin."
    raise BadRule(f"There is no time zone {name!r}. {hint}")


def checked_cron(text: str) -> str:
    """Return a cron rule of five fields, nicknames (`@daily`) expanded. Raises BadRule, also if it is never due."""
    rule = " ".join(NICKNAMES.get(text.strip().lower(), text).upper().split())
    if rule.startswith("@"):
        raise BadRule(f"There is no cron nickname {text.strip()!r}. Use one of {', '.join(NICKNAMES)}.")
    if (count := len(rule.split())) != 5:
        raise BadRule(f"A cron rule has five fields ({FIELDS}), not {count}. For seconds, use interval_seconds.")
    try:
        next(CronSim(rule, datetime.now(UTC)))
    except CronSimError as error:
        bad = str(error).removeprefix("Bad ").replace("-", " ")
        raise BadRule(f"The field {bad} is invalid in {rule!r}. The fields are {FIELDS}.") from None
    except StopIteration:
        raise BadRule(f"The cron rule {rule!r} is never due.") from None
    return rule


@dataclass(frozen=True, slots=True)
class ScheduleRule:
    """A validated rule with exactly one of `cron` and `interval_seconds`."""

    cron: str | None
    interval_seconds: int | None
    timezone: str
    anchor: datetime
    """The time that intervals are counted from."""

    def same_times(self, other: ScheduleRule) -> bool:
        """Return whether the rules are equal apart from their anchors."""
        zones = not self.cron or self.timezone == other.timezone
        return zones and (self.cron, self.interval_seconds) == (other.cron, other.interval_seconds)

    def times(self, after: datetime) -> Iterator[datetime]:
        """Yield the times after `after` in UTC, strictly ascending. Ends only if none follows within 50 years."""
        if self.interval_seconds is not None:
            step = timedelta(seconds=self.interval_seconds)
            due = self.anchor + ((after - self.anchor) // step + 1) * step
            while True:
                yield due
                due += step
        assert self.cron is not None
        for local in CronSim(self.cron, after.astimezone(ZoneInfo(self.timezone))):
            due = local.astimezone(UTC)
            # If it starts in the second of the repeated hours, the library still returns times of the first.
            if due > after:
                yield due
                after = due

    def after(self, moment: datetime) -> datetime:
        """Return the first time after `moment`. Raises BadRule if there is none within 50 years."""
        for due in self.times(moment):
            return due
        raise BadRule(f"The cron rule {self.cron!r} is never due.")

    def following(self, moment: datetime, count: int) -> list[datetime]:
        """Return the first `count` times after `moment`."""
        return list(islice(self.times(moment), count))

    def due_between(self, planned: datetime, until: datetime, limit: int) -> list[datetime]:
        """Return `planned` and the times after it up to `until`, ascending; only the last `limit` if there are more.

        Searches backwards from `until` in growing spans, so that years of downtime cost as little as hours.
        """
        span = timedelta(seconds=(self.interval_seconds or 60) * limit)
        while True:
            start = max(planned, until - span)
            times = deque(takewhile(lambda due: due <= until, self.times(start)), maxlen=limit)
            if len(times) == limit:
                return list(times)
            if start == planned:
                return [planned, *times]
            span *= 2

    def in_words(self) -> str:
        """Return the rule in words: `At 09:00 on Monday through Friday`."""
        if self.interval_seconds is not None:
            return f"Every {_elapsed(self.interval_seconds)}"
        assert self.cron is not None
        return CronSim(self.cron, datetime.now(UTC)).explain()


def _elapsed(seconds: int) -> str:
    """Return `minute`, `2 hours`, `1 hour 30 minutes`."""
    parts: list[tuple[int, str]] = []
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append((count, unit))
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    return " ".join(f"{count} {unit}{'s' if count > 1 else ''}" for count, unit in parts)
