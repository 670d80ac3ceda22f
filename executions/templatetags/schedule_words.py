"""Schedules in words: in English those of the rule, which the API gives; in other languages, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from babel.dates import get_day_names, get_month_names
from babel.lists import format_list
from cronsim.explain import Expression, Field, Sequence, Weekday
from django import template
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

register = template.Library()

MOST_TIMES = 4
"""Of a day, that are named one by one."""
LAST_DAY, LAST_WEEKDAY = -1, -2
"""How the library writes them."""


@register.filter
def schedule_text(schedule: Mapping[str, Any]) -> str:
    """Return a listed schedule in words."""
    language = get_language() or "en"
    if language == "en":
        return str(schedule["words"])
    if schedule["interval_seconds"] is not None:
        return _interval(schedule["interval_seconds"])
    return _Cron(schedule["cron"], language).text()


def _interval(seconds: int) -> str:
    alone = {1: _("Every second"), 60: _("Every minute"), 3600: _("Every hour"), 86_400: _("Every day")}
    if seconds in alone:
        return alone[seconds]
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = (
        days and ngettext("%(number)s day", "%(number)s days", days) % {"number": days},
        hours and ngettext("%(number)s hour", "%(number)s hours", hours) % {"number": hours},
        minutes and ngettext("%(number)s minute", "%(number)s minutes", minutes) % {"number": minutes},
        rest and ngettext("%(number)s second", "%(number)s seconds", rest) % {"number": rest},
    )
    return _("Every %(elapsed)s") % {"elapsed": " ".join(part for part in parts if part)}


class _Cron:
    """Describes a cron rule of five fields."""

    def __init__(self, rule: str, language: str) -> None:
        self._rule, self._language = Expression(rule.split()), language

    def text(self) -> str:
        return ", ".join(filter(None, (self._time(), self._days(), self._months())))

    def _time(self) -> str:
        minute, hour = self._rule.minute, self._rule.hour
        minutes, hours = _values(minute), _values(hour)
        if not minute.star and not hour.star and len(minutes) * len(hours) <= MOST_TIMES:
            return _("At %(times)s") % {"times": self._list(f"{h:02}:{m:02}" for h in hours for m in minutes)}
        if hour.star and minute.zero:
            return _("Every full hour")
        if minute.star:
            within = _("Every minute")
        elif (step := _step(minute)) is not None:
            within = _("Every %(number)s minutes") % {"number": step}
        else:
            text = _("In minute %(minutes)s of every hour") if hour.star else _("In minute %(minutes)s")
            within = text % {"minutes": self._list(map(str, minutes))}
        if hour.star:
            return within
        if (step := _step(hour)) is not None:
            every = _("every %(number)s hours") % {"number": step}
        else:
            every = _("in hour %(hours)s") % {"hours": self._ranges(hour, str)}
        return f"{within}, {every}"

    def _days(self) -> str:
        day, weekday = self._rule.day, self._rule.dow
        if day.star and weekday.star:
            return _("every day") if self._rule.hour.all_singles else ""
        texts = {"days": self._days_of_month(day), "weekdays": self._ranges(weekday, self._weekday)}
        if day.star or weekday.star:
            return texts["days"] if weekday.star else texts["weekdays"]
        return (_("%(days)s if it is %(weekdays)s") if self._rule.day_and else _("%(days)s or %(weekdays)s")) % texts

    def _days_of_month(self, day: Field) -> str:
        if day.single_value == LAST_DAY:
            return _("on the last day of the month")
        if day.single_value == LAST_WEEKDAY:
            return _("on the last weekday of the month")
        return _("on day %(days)s of the month") % {"days": self._ranges(day, str)}

    def _months(self) -> str:
        month = self._rule.month
        return "" if month.star else self._ranges(month, self._month)

    def _ranges(self, field: Field, name: Any) -> str:
        """Return the values of a field, with its ranges."""
        return self._list(text for sequence in field.parsed for text in self._range(sequence, field, name))

    def _range(self, sequence: Sequence, field: Field, name: Any) -> Iterable[str]:
        if sequence.nth is not None and isinstance(field, Weekday):
            text = _("last %(day)s of the month") if sequence.nth == -1 else _("%(day)s no. %(number)s of the month")
            return [text % {"day": name(sequence.start), "number": sequence.nth}]
        if sequence.step == 1 and sequence.start is not None and sequence.stop != sequence.start:
            return [_("%(first)s to %(last)s") % {"first": name(sequence.start), "last": name(sequence.stop)}]
        return [name(value) for value in _of_sequence(sequence, field)]

    def _weekday(self, number: int) -> str:
        return str(get_day_names("wide", locale=self._language)[(number - 1) % 7])

    def _month(self, number: int) -> str:
        return str(get_month_names("wide", locale=self._language)[number])

    def _list(self, texts: Iterable[str]) -> str:
        return format_list(list(texts), locale=self._language)


def _step(field: Field) -> int | None:
    """Return the step of a field that has nothing but a step, at least 2; None if it is another."""
    only = field.parsed[0]
    return only.step if len(field.parsed) == 1 and only.start is None else None


def _values(field: Field) -> list[int]:
    return sorted({value for sequence in field.parsed for value in _of_sequence(sequence, field)})


def _of_sequence(sequence: Sequence, field: Field) -> Iterable[int]:
    start = field.min_value if sequence.start is None else sequence.start
    stop = field.max_value if sequence.stop is None else sequence.stop
    return range(start, stop + 1, sequence.step)
