"""Waiting for the state of a page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from workflow_platform.installation.embedded import wait_until


def wait_for_page(page: Page, expression: str, arg: Any = None, seconds: float = 120) -> None:
    """Wait until the JavaScript is true in the page.

    Playwright's `wait_for_function` calls `eval` in the page, which the content policy of the platform forbids.
    """
    wait_until(lambda: bool(page.evaluate(expression, arg)), expression, seconds)
