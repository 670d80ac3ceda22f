"""Inputs of moments: UTC in the template, and what the pages' script sends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workflow_platform.core.api.page_filters import PageFilters


@pytest.mark.parametrize("sent", ["2026-11-30T18:01", "2026-11-30T18:01:00.000Z", "2026-11-30T19:01:00+01:00"])
def test_a_filter_takes_a_moment_with_a_zone_or_in_utc_and_shows_utc(sent: str) -> None:
    filters = PageFilters({"range": "between", "since": sent})
    assert filters.span() == (datetime(2026, 11, 30, 18, 1, tzinfo=UTC), None)
    widget = str(filters["since"])
    assert 'type="datetime-local"' in widget
    assert 'value="2026-11-30T18:01"' in widget
    assert "data-moment" in widget


def test_a_filter_ignores_what_is_no_moment_and_keeps_seconds() -> None:
    assert PageFilters({"since": "yesterday"}).span() == (None, None)
    assert "value=" not in str(PageFilters({"since": "yesterday"})["since"])
    assert 'value="2026-11-30T18:01:09"' in str(PageFilters({"since": "2026-11-30T18:01:09Z"})["since"])
