"""Moments in templates: `<time>` elements in UTC, which `static/js/moments.js` writes in the time zone of the user.
Both write the same, in the language of the page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import zip_longest

from babel.dates import get_month_names
from django import template
from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

register = template.Library()

_DAY, _YEAR = "day", "day and year"
STYLES = {
    "clock": ("", "%H:%M:%S.%f"),
    "time": ("", "%H:%M:%S"),
    "minute": (_DAY, "%H:%M"),
    "second": (_DAY, "%H:%M:%S"),
    "day": (_YEAR, ""),
    "stamp": (_DAY, "%H:%M:%S.%f"),
    "full": (_YEAR, "%H:%M:%S.%f"),
}
"""The styles of moments.js: what is shown of the date, and the clock in the syntax of strftime."""
_WRITTEN = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\b")


@register.simple_tag
def moment(value: datetime | str | None, style: str = "minute") -> str:
    """Return a `<time>` that shows a moment in a style."""
    if not (at := _parsed(value)):
        return ""
    return _element(at, format_html('data-at="{}"', style), style)


@register.simple_tag
def ago(value: datetime | str | None, due: str = "") -> str:
    """Return a `<time>` that shows a moment relative to now. With `due`, a moment that has passed is overdue."""
    if not (at := _parsed(value)):
        return ""
    return _element(at, format_html('data-ago="{}"', "due" if due else ""), "minute")


@register.filter
def with_moments(text: str | None) -> str:
    """Return a text whose times (`2026-11-30 18:01:10 UTC`) are `<time>` elements."""
    parts = _WRITTEN.split(text or "")
    moments = [moment(f"{part}+00:00", "second") for part in parts[1::2]]
    return format_html_join("", "{}{}", zip_longest(parts[::2], moments, fillvalue=""))


def _parsed(value: datetime | str | None) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if value else None
    return value.astimezone(UTC) if value else None


def _element(at: datetime, attribute: SafeString, style: str) -> str:
    of_date, clock = STYLES[style]
    text = ", ".join(filter(None, [_date(at, of_date), at.strftime(clock)]))
    if text.endswith(f".{at.microsecond:06d}"):
        text = text[:-3]  # milliseconds
    return format_html('<time datetime="{}" {}>{} UTC</time>', at.isoformat(), attribute, text)


def _date(at: datetime, shown: str) -> str:
    month = get_month_names("abbreviated", locale=get_language() or settings.LANGUAGE_CODE)[at.month]
    parts = {"month": month, "day": at.day, "year": at.year}
    if shown == _YEAR:
        return _("%(month)s %(day)s, %(year)s") % parts
    return _("%(month)s %(day)s") % parts if shown else ""
