"""Three workflows on real input, loaded on first start and run in the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from executions.models import Workflow
from executions.workflows.definitions import save_workflow
from workflow_platform.core.accounts.models import User, Workspace

FOLDER = Path(__file__).parent


def definitions() -> list[dict[str, Any]]:
    """Return the samples; the first carries its CSV as sample input."""
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    for definition in found:
        for item in definition.get("settings", {}).get("sample_input", []):
            if name := item.pop("csv_file", None):
                item["csv"] = (FOLDER / "data" / name).read_text()
    return found


def load(workspace: Workspace, by: User | None) -> list[Workflow]:
    """Create the samples that the workspace does not have yet, by name. Returns those created."""
    known = set(Workflow.objects.filter(workspace=workspace).values_list("name", flat=True))
    return [
        save_workflow(workspace=workspace, definition=definition, by=by)
        for definition in definitions()
        if definition["name"] not in known
    ]
