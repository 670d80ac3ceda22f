"""The page of a workflow: its menu, its versions, and two people who save at the same time."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.conftest import Platform
from tests.page_state import arrive
from tests.workflows import node

pytestmark = pytest.mark.browser


def write(page: Page, **fields: object) -> None:
    area = page.get_by_label("Workflow definition (JSON)")
    area.fill(json.dumps(json.loads(area.input_value()) | fields, indent=2))


def menu(page: Page, entry: str) -> None:
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name=entry).click()


def test_a_workflow_is_changed_compared_copied_and_deleted_and_no_save_overwrites_another(
    platform: Platform, visitor: Visitor
) -> None:
    definition = {"name": "Shared", "nodes": [node("start", "manual_trigger")], "edges": []}
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    path = f"/workflows/{workflow}/"
    mine, theirs = visitor.open(path), visitor.open(path)

    write(theirs, description="Theirs.")
    theirs.get_by_role("button", name="Save", exact=True).click()
    expect(theirs.get_by_role("paragraph").filter(has_text="Theirs.")).to_be_visible()
    write(mine, description="Mine.")
    mine.get_by_role("button", name="Save", exact=True).click()
    dialog = mine.get_by_role("dialog", name="Someone else saved this workflow")
    expect(dialog).to_contain_text("admin saved version 2")
    expect(dialog.locator("del")).to_have_text("- Theirs.\n")
    expect(dialog.locator("ins")).to_have_text("+ Mine.\n")
    assert [text for text in visitor.complaints if "412" not in text] == []
    visitor.complaints.clear()  # the browser reports the refused save
    dialog.get_by_role("button", name="Save mine over theirs").click()
    expect(mine.get_by_text("Saved as version 3.")).to_be_visible()

    mine.get_by_role("button", name="Compare version 1 with version 3").click()
    expect(mine.get_by_role("dialog", name="Changes from version 1 to version 3")).to_be_visible()
    mine.keyboard.press("Escape")

    menu(mine, "Settings")
    mine.get_by_label("Executions at a time").fill("2")
    mine.get_by_label("Time limit of an execution").fill("1.5")
    mine.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(mine.get_by_text("Saved as version 4.")).to_be_visible()
    settings = platform.request("GET", f"/api/workflows/{workflow}/").json()["settings"]
    assert settings["concurrency"] | {"policy": "queue"} == {"limit": 2, "policy": "queue"}
    assert settings["max_execution_time_ms"] == 1500

    menu(mine, "Rename")
    mine.get_by_role("dialog").get_by_label("Name", exact=True).fill("Renamed")
    mine.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(mine.get_by_role("heading", name="Renamed")).to_be_visible()
    with mine.expect_download() as saved:
        menu(mine, "Export")
    assert saved.value.suggested_filename == "renamed.json"
    exported = saved.value.path()

    menu(mine, "Duplicate")
    expect(mine.get_by_role("heading", name="Renamed (copy)")).to_be_visible()
    menu(mine, "Delete")
    mine.get_by_label("Type the name of the workflow to confirm").fill("Renamed (copy)")
    mine.get_by_role("button", name="Delete workflow").click()
    arrive(mine, "/workflows/$")

    mine.locator("#import-file").set_input_files(exported)
    expect(mine.get_by_role("heading", name="Renamed")).to_be_visible()
    assert workflow not in mine.url
