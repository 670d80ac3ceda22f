"""How commands read times and numbers from their arguments."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Read a time: ISO 8601, or so long ago (`90s`, `30m`, `24h`, `7d`)."""
    if (ago := re.fullmatch(r"(\d{1,6})([smhd])", text)) is not None:
        return timezone.now() - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no time: 2026-11-24T22:00:00Z, or so long ago: 90s, 30m, 24h, 7d.")
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def positive(text: str) -> int:
    """Read a number from 1 on."""
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise ArgumentTypeError(f"{text!r} is no number from 1 on.")
    return int(text)
