from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from workflow_platform import settings as settings_module
from workflow_platform.checks import check_environment

SETTINGS = Path(settings_module.__file__)
NAMES = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_USE_SSL", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", ["", 25, False, False, "", ""]),
        ("smtp://u:p%40ss@mail.example.com", ["mail.example.com", 587, True, False, "u", "p@ss"]),
        ("smtp://localhost:2525?starttls=false", ["localhost", 2525, False, False, "", ""]),
        ("smtp://localhost?starttls=false", ["localhost", 25, False, False, "", ""]),
        ("smtps://u:p@mail.example.com", ["mail.example.com", 465, False, True, "u", "p"]),
    ],
)
def test_the_url_says_how_mail_is_sent(url: str, expected: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_URL", url)
    read = runpy.run_path(str(SETTINGS))
    assert [read[name] for name in NAMES] == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_URL", "http://mail.example.com"),
        ("EMAIL_URL", "smtp://"),
        ("EMAIL_URL", "smtp://u:secret@mail.example.com/x"),
        ("EMAIL_URL", "smtp://mail.example.com?tls=true"),
        ("EMAIL_URL", "smtp://mail.example.com?starttls=no"),
        ("EMAIL_URL", "smtp://u@mail.example.com"),
        ("DEFAULT_FROM_EMAIL", "robot"),
        ("DEFAULT_FROM_EMAIL", "a@example.com\nBcc: b@example.com"),
        ("EMAIL_TIMEOUT", 0),
    ],
)
def test_a_bad_variable_is_named_and_shows_no_password(settings: Any, name: str, value: Any) -> None:
    setattr(settings, name, value)
    messages = [str(error.msg) for error in check_environment(None)]
    assert len(messages) == 1
    assert messages[0].startswith(name.replace("DEFAULT_FROM_EMAIL", "EMAIL_FROM"))
    assert "secret" not in messages[0]


@pytest.mark.parametrize("url", ["", "smtp://u:p@h:25?starttls=false", "smtps://h"])
def test_a_good_url_passes(settings: Any, url: str) -> None:
    settings.EMAIL_URL, settings.DEFAULT_FROM_EMAIL = url, "Robot <robot@example.com>"
    assert check_environment(None) == []
