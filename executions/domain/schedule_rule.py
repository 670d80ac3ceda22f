"""When a schedule is due: by a cron rule in a time zone, or at a fixed interval. Pure: no Django, no database.

Cron times follow Debian's cron through daylight saving. A rule for a fixed time of day (neither minute nor hour begins
with `*`) runs once a day: a time that the clocks skip in spring comes at the first minute after the gap, one that
happens twice in autumn at the first of the two. A rule with `*` in minute or hour follows the clock on the wall: what
is skipped does not run, what happens twice runs twice. Intervals are elapsed time and know no time zone.
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

MOST_SECONDS = 366 * 86_400
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
"""Files among the zones that mean nothing, or another thing on each machine."""


class BadRule(ValueError):
    """The cron rule or the time zone is not one; the message is for whoever wrote it."""


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - NOT_PLACES)


def checked_timezone(name: str) -> str:
    """Return the name of an IANA time zone. Raises BadRule."""
    if name in _zones():
        return name
    near = get_close_matches(name, _zones(), n=1)
    hint = f"did you mean {near[0]}?" if near else "names are like Europe/Berlin."
    raise BadRule(f"There is no time zone {name!r}; {hint}")


def checked_cron(text: str) -> str:
    """Return a cron rule of five fields, nicknames (`@daily`) written out. Raises BadRule, also if it is never due."""
    rule = " ".join(NICKNAMES.get(text.strip().lower(), text).upper().split())
    if rule.startswith("@"):
        raise BadRule(f"There is no nickname {text.strip()!r}; there are {', '.join(NICKNAMES)}.")
    if (count := len(rule.split())) != 5:
        raise BadRule(f"Five fields are needed ({FIELDS}), not {count}. For seconds there is interval_seconds.")
    try:
        next(CronSim(rule, datetime.now(UTC)))
    except CronSimError as error:
        bad = str(error).removeprefix("Bad ").replace("-", " ")
        raise BadRule(f"The field {bad} is not valid in {rule!r}; the fields are {FIELDS}.") from None
    except StopIteration:
        raise BadRule(f"{rule!r} is never due.") from None
    return rule


@dataclass(frozen=True, slots=True)
class ScheduleRule:
    """Exactly one of `cron` and `interval_seconds`, already checked."""

    cron: str | None
    interval_seconds: int | None
    timezone: str
    anchor: datetime
    """What intervals are counted from."""

    def same_times(self, other: ScheduleRule) -> bool:
        """Tell whether the rules say the same, whatever they are counted from."""
        zones = not self.cron or self.timezone == other.timezone
        return zones and (self.cron, self.interval_seconds) == (other.cron, other.interval_seconds)

    def times(self, after: datetime) -> Iterator[datetime]:
        """Yield when it is due after `after`, strictly rising, in UTC. Ends only where nothing is due in 50 years."""
        if self.interval_seconds is not None:
            step = timedelta(seconds=self.interval_seconds)
            due = self.anchor + ((after - self.anchor) // step + 1) * step
            while True:
                yield due
                due += step
        assert self.cron is not None
        for found in CronSim(self.cron, after.astimezone(ZoneInfo(self.timezone))):
            due = found.astimezone(UTC)
            # Begun in the second of autumn's two hours, the library still gives times of the first.
            if due > after:
                yield due
                after = due

    def after(self, moment: datetime) -> datetime:
        """Return the first time after `moment`. Raises BadRule if there is none in 50 years."""
        for due in self.times(moment):
            return due
        raise BadRule(f"{self.cron!r} is never due.")

    def following(self, moment: datetime, count: int) -> list[datetime]:
        """Return the first `count` times after `moment`."""
        return list(islice(self.times(moment), count))

    def due_between(self, planned: datetime, until: datetime, limit: int) -> list[datetime]:
        """Return `planned` and the times after it up to `until`, rising; if there are more than `limit`, the last ones.

        Looks back from `until` in growing spans, so that years of down time cost no more than hours.
        """
        span = timedelta(seconds=(self.interval_seconds or 60) * limit)
        while True:
            start = max(planned, until - span)
            found = deque(takewhile(lambda due: due <= until, self.times(start)), maxlen=limit)
            if len(found) == limit:
                return list(found)
            if start == planned:
                return [planned, *found]
            span *= 2

    def in_words(self) -> str:
        """Return the rule as people say it: `At 09:00 on Monday through Friday`."""
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
