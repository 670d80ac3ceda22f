"""The monitor of an execution whose events were removed: it says so, and shows what the rows have kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Visitor
from tests.conftest import Platform, manage
from tests.executing import execute, save, until
from tests.workflows import edge, node

pytestmark = pytest.mark.browser


@pytest.fixture
def workspace(platform: Platform) -> Iterator[dict[str, Any]]:
    """Return a workspace for this test alone: other tests name none, which only a member of one may do."""
    made = platform.request("POST", "/api/workspaces/", json={"name": "Short memory"}).json()
    yield made
    end = f"Membership.objects.filter(workspace={made['id']!r}).delete()"
    platform.shell.run(f"from workflow_platform.core.accounts.models import Membership; {end}")


def test_it_says_when_the_events_were_removed_and_shows_the_node_runs(
    platform: Platform, visitor: Visitor, workspace: dict[str, Any]
) -> None:
    nodes = [
        node("start", "manual_trigger"),
        node("numbers", "code", code="return [{n: 1}, {n: 2}];"),
        node("stop", "stop_and_error", message="That was too much."),
    ]
    edges = [edge("start", "numbers"), edge("numbers", "stop")]
    execution = execute(platform, save(platform, nodes, edges, workspace=workspace["id"]), {"n": 0})
    until(platform, execution, "failed")
    words = ["--workspace", workspace["slug"], "--older-than", "0m"]
    assert ": 2 streams," in manage(platform.environment, "cleanup_history", *words)
    history = platform.request("GET", f"/api/executions/{execution}/events/").json()
    assert (history["events"], history["removed_through"]) == ([], history["head"])
    for viewport in ({}, PHONE):
        page = visitor.open(f"/executions/{execution}/", **viewport)
        expect(page.locator(".removed")).to_contain_text(f"removed on {datetime.now(UTC):%b} {datetime.now(UTC).day}")
        expect(page.locator("#status")).to_have_text("failed")
        expect(page.locator("#error")).to_contain_text("That was too much.")
        expect(page.locator("#gantt .run")).to_have_count(3)
        expect(page.locator("#graph .node[data-status=completed]")).to_have_count(2)
        expect(page.get_by_role("heading", name="Events")).to_be_hidden()
        page.locator("#node-list button" if viewport else "#graph .node", has_text="Numbers").click()
        expect(page.get_by_role("region", name="Output")).to_contain_text("2")
        if folder := os.environ.get("SCREENSHOTS"):
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.screenshot(path=f"{folder}/removed-{scheme}-{page.viewport_size['width']}.png", full_page=True)  # type: ignore[index]
