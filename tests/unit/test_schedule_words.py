"""Schedules on pages in other languages than English."""

from __future__ import annotations

import pytest
from django.utils import translation

from executions.domain.credential_types import _REDACTED
from executions.domain.redaction import SHORTEST
from executions.domain.schedule_rule import checked_cron
from executions.templatetags.schedule_words import schedule_text


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("@daily", "Um 00:00, täglich"),
        ("@hourly", "Zu jeder vollen Stunde"),
        ("*/15 * * * *", "Alle 15 Minuten"),
        ("0 9,17 * * MON-FRI", "Um 09:00 und 17:00, Montag bis Freitag"),
        ("10 * * * 0", "In Minute 10 jeder Stunde, Sonntag"),
        ("*/5 9-17 * * 1-5", "Alle 5 Minuten, in Stunde 9 bis 17, Montag bis Freitag"),
        ("0 0 L * *", "Um 00:00, am letzten Tag des Monats"),
        ("30 8 * * 2#1", "Um 08:30, 1. Dienstag des Monats"),
        ("0 6 13 * FRI", "Um 06:00, am Tag 13 des Monats oder Freitag"),
        ("0 12 * JAN-MAR *", "Um 12:00, täglich, Januar bis März"),
    ],
)
def test_a_cron_rule_is_described_in_the_language(rule: str, words: str) -> None:
    with translation.override("de"):
        assert schedule_text({"cron": checked_cron(rule), "interval_seconds": None, "words": "?"}) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(60, "Jede Minute"), (7200, "Alle 2 Stunden"), (5400, "Alle 1 Stunde 30 Minuten"), (86_400, "Jeden Tag")],
)
def test_an_interval_is_described_in_the_language(seconds: int, words: str) -> None:
    with translation.override("de"):
        assert schedule_text({"cron": None, "interval_seconds": seconds, "words": "?"}) == words


def test_in_english_the_words_are_those_of_the_rule() -> None:
    assert schedule_text({"cron": "0 0 * * *", "interval_seconds": None, "words": "At 00:00 every day"}) == (
        "At 00:00 every day"
    )


def test_the_texts_of_credentials_name_the_shortest_secret_that_is_redacted() -> None:
    assert f"at least {SHORTEST} characters" in _REDACTED
