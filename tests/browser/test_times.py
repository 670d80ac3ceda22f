"""Times have one format on all pages: local by default, UTC by choice, both on hover."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESKTOP, PATIENCE_MS, log_in
from tests.conftest import Platform
from tests.executing import execute, look, save, until
from tests.workflows import edge, node

pytestmark = pytest.mark.browser

RELATIVE = """async (cases) => {
  const { relative } = await import("/static/js/times.js");
  return cases.map(([seconds, due]) => relative(seconds, "2026-01-01T00:00:00Z", due));
}"""
HOUR = 3600


def test_a_moment_reads_the_same_on_all_pages_in_local_time_or_in_utc(browser: Browser, platform: Platform) -> None:
    workflow = save(platform, [node("start", "manual_trigger"), node("end", "no_op")], [edge("start", "end")])
    execution = execute(platform, workflow, {})
    until(platform, execution)
    started = datetime.fromisoformat(look(platform, execution)["started_at"])
    zone = ZoneInfo("Asia/Kolkata")
    local, universal = f"{started.astimezone(zone):%H:%M:%S}", f"{started.astimezone(UTC):%H:%M:%S}"
    options: dict[str, Any] = {"base_url": platform.url, "viewport": DESKTOP, "timezone_id": zone.key}
    with browser.new_context(**options) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        log_in(page, platform)
        for times, switched in ((local, False), (universal, True)):
            for path in (f"/executions/{execution}/", f"/executions/{execution}/trace/", "/events/"):
                page.goto(path)
                shown = page.locator("time", has_text=re.compile(rf"^(\w+ \d+, )?{times}\.\d{{3}}$")).first
                expect(shown).to_be_visible()
                title = shown.get_attribute("title") or ""
                assert re.search(rf"{local}\.\d+ GMT\+5:30\n.*{universal}\.\d+ UTC$", title), title
            expect(page.locator("#zone")).to_have_text("UTC" if switched else "GMT+5:30")
            page.locator("#zone").click()
        page.goto("/workflows/")
        cases = [
            (-(48 * HOUR - 120), "in 47 h"),
            (-(50 * HOUR), "in 2 d 2 h"),
            (-(2 * HOUR - 60), "in 1 h 59 min"),
            (-59.5, "in 59 s"),
            (-0.5, "now"),
            (4, "now"),
            (47 * HOUR, "47 h ago"),
            (49 * HOUR, "2 d ago"),
        ]
        assert page.evaluate(RELATIVE, [[seconds, False] for seconds, _ in cases]) == [text for _, text in cases]
        assert page.evaluate(RELATIVE, [[200, True]]) == ["3 min overdue"]


WALL = """async (cases) => {
  const { momentOf, wallTime } = await import("/static/js/moments.js");
  return cases.map(([wall]) => [wall, momentOf(wall), wallTime(momentOf(wall))]);
}"""
SUMMER_ENDS = [
    ("2026-03-29T01:59:00", "2026-03-29T00:59:00.000Z", "2026-03-29T01:59:00"),
    ("2026-03-29T02:30:00", "2026-03-29T01:30:00.000Z", "2026-03-29T03:30:00"),  # skipped
    ("2026-03-29T03:00:00", "2026-03-29T01:00:00.000Z", "2026-03-29T03:00:00"),
    ("2026-07-01T12:00:00", "2026-07-01T10:00:00.000Z", "2026-07-01T12:00:00"),
    ("2026-10-25T02:30:00", "2026-10-25T00:30:00.000Z", "2026-10-25T02:30:00"),  # twice: the first
    ("2026-10-25T03:00:00", "2026-10-25T02:00:00.000Z", "2026-10-25T03:00:00"),
]


def test_time_filters_are_in_local_time_and_addresses_in_utc(browser: Browser, platform: Platform) -> None:
    options: dict[str, Any] = {"base_url": platform.url, "viewport": DESKTOP, "timezone_id": "Europe/Berlin"}
    with browser.new_context(**options) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        log_in(page, platform)
        assert page.evaluate(WALL, SUMMER_ENDS) == [list(case) for case in SUMMER_ENDS]
        for path in ("/", "/events/"):
            page.goto(path)
            page.locator("[name=range]").select_option("between")
            since = page.locator("#between input[type=datetime-local]").first
            since.fill("2026-07-01T12:00")
            since.dispatch_event("change")
            page.wait_for_url(re.compile("since=2026-07-01T10%3A00%3A00.000Z"))
            page.reload()
            expect(since).to_have_value("2026-07-01T12:00")
            expect(page.locator("#between legend")).to_contain_text("between, Europe/Berlin", ignore_case=True)
            page.locator("#zone").click()
            expect(since).to_have_value("2026-07-01T10:00")
            expect(page.locator("#between legend")).to_contain_text("UTC")
            page.locator("#zone").click()
        page.goto("/")
        title = page.locator("#counters title, .counters title").first
        assert re.match(r"\w+ \d+, \d\d:\d\d: ", title.text_content() or ""), title.text_content()
