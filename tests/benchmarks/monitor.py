"""The monitor of an execution of 100,000 events, in Chromium: when it shows how it stands, and what follows costs."""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.reporting import Report
from tests.installation import Installation, installation
from tests.page_state import wait_for_page
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

TURNS = 12_500  # of eight events
OPENED = 5
PASSWORD = "a-password-for-tests"  # as tests.installation gives it
LONG_TASKS = """
  window.long = [0];
  new PerformanceObserver((list) => long.push(...list.getEntries().map((each) => each.duration)))
    .observe({ type: "longtask", buffered: true });
"""
DRAWN = "performance.getEntriesByName('state drawn')"


def run(folder: Path, report: Report) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("monitor: there is no chromium on PATH")
        return
    with installation(folder, PERF_MAX_EXECUTION_TIME_MS="3600000") as platform, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(base_url=platform.url, viewport={"width": 1440, "height": 900}).new_page()
        page.add_init_script(LONG_TASKS)
        log_in(page)
        execution = start(platform)
        report("monitor_first_state_short", "ms", first_state(page, execution), note="just begun, with what loads once")
        wait_until(lambda: look(platform, execution)["status"] == "completed", "The end", 600)
        wait_for_page(page, "document.getElementById('status').textContent === 'completed'")
        report("monitor_longest_task_following", "ms", longest(page), note="100,000 events, from the first one on")
        opened = [first_state(page, execution) for _ in range(OPENED)]
        events = look(platform, execution)["events"]
        report("monitor_first_state", "ms", statistics.median(opened), worst=max(opened), events=events)
        begun = time.monotonic()
        page.get_by_role("button", name="Load all").click()
        wait_for_page(page, "document.getElementById('earlier').hidden")
        report("monitor_load_all", "s", time.monotonic() - begun, longest_task_ms=longest(page))
        browser.close()


def log_in(page: Page) -> None:
    page.goto("/login/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def start(platform: Installation) -> str:
    count = f"return Array.from({{ length: {TURNS} }}, (_, n) => ({{ n }}))"
    definition: dict[str, Any] = {
        "name": "Many turns",
        "nodes": [
            node("start", "manual_trigger"),
            node("numbers", "code", code=count),
            node("each", "loop", batch_size=1),
            node("seen", "set", fields={"seen": True}),
        ],
        "edges": [
            edge("start", "numbers"),
            edge("numbers", "each"),
            edge("each", "seen", "loop"),
            edge("seen", "each"),
        ],
        "settings": {"max_execution_time_ms": 3_600_000},
    }
    path = f"/api/workflows/{platform.create_workflow(definition)}/execute/"
    return str(platform.request("POST", path, json={"input": [{}]}).json()["id"])


def look(platform: Installation, execution: str) -> dict[str, Any]:
    return dict(platform.request("GET", f"/api/executions/{execution}/").json())


def first_state(page: Page, execution: str) -> float:
    """Open the monitor. Returns the ms from the navigation to the first drawing that shows how the execution stands."""
    page.goto(f"/executions/{execution}/")
    wait_for_page(page, f"{DRAWN}.length > 0")
    return float(page.evaluate(f"{DRAWN}[0].startTime"))


def longest(page: Page) -> float:
    """Return how long, in ms, the page was deaf at most since it was opened."""
    return float(page.evaluate("Math.max(...long.splice(0, long.length, 0))"))
