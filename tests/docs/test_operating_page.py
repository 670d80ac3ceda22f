"""docs/operating.md: its commands find the embedded servers, and a backup can be restored."""

from __future__ import annotations

from tests.docs.conftest import Terminal
from tests.docs.pages import ROOT, sections


def test_a_backup_that_was_made_and_restored_as_the_page_says_holds_the_workflows(terminal: Terminal) -> None:
    page = sections("operating.md")
    environment, example = [block.text for block in page["Commands"]]
    (backup,) = [block.text for block in page["Backup"]]
    (restore,) = [block.text for block in page["Restore"]]
    count = '"${DATABASE_URL%/*}/restored" -Atc "SELECT count(*) FROM executions_workflow"'
    try:
        outputs = terminal([environment, example, backup, restore, f"psql {count}"])
    finally:
        (ROOT / "backup.dump").unlink(missing_ok=True)
    assert "due = " in outputs[1]
    assert "order" in outputs[3]
    assert int(outputs[4]) >= 3  # the samples
