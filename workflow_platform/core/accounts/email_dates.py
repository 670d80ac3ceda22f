"""Dates in emails."""

from __future__ import annotations

from datetime import datetime

from django.utils.formats import date_format
from django.utils.translation import gettext


def date_and_time(moment: datetime) -> str:
    """Return a moment as the active language writes it in an email: `30 November 2026, 18:01`, in its own time zone."""
    return date_format(moment, gettext("d F Y, H:i"))
