"""Settings of the history that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_platform.checks import check_environment


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("EVENT_HISTORY_RETENTION_DAYS", 0),
        ("EVENT_HISTORY_RETENTION_DAYS", 100_000),
        ("TEST_RETENTION_DAYS", 0),
        ("TEST_RETENTION_DAYS", 100_000),
        ("EVENT_HISTORY_MAX_SIZE", -1),
        ("WEBHOOK_HISTORY_RETENTION_DAYS", 0),
        ("WEBHOOK_HISTORY_RETENTION_DAYS", 100_000),
        ("WEBHOOK_HISTORY_MAX_ATTEMPTS", -1),
        ("STREAM_CLOSE_SECONDS", -0.5),
        ("STREAM_CLOSE_SECONDS", float("nan")),
    ],
)
def test_a_bad_value_is_named(settings: Any, name: str, bad: float) -> None:
    assert check_environment(None) == []
    setattr(settings, name, bad)
    assert [str(error.msg).split()[0] for error in check_environment(None)] == [name]
