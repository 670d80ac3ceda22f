"""Types of command-line arguments: times and numbers."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Parse a time: ISO 8601, or an age (`90s`, `30m`, `24h`, `7d`)."""
    if (ago := re.fullmatch(r"(\d{1,6})([smhd])", text)) is not None:
        return timezone.now() - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        parsed = parse_datetime(text)
    except ValueError:
        parsed = None
    if parsed is None:
        raise ArgumentTypeError(
            f"{text!r} is not a time. Use ISO 8601 (2026-11-24T22:00:00Z) or an age (90s, 30m, 24h, 7d)."
        )
    return parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)


def positive(text: str) -> int:
    """Parse a whole number greater than 0."""
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise ArgumentTypeError(f"{text!r} is not a whole number greater than 0.")
    return int(text)
