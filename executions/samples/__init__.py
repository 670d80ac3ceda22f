"""Three sample workflows with realistic input, which are loaded on the first start and run in the tests.

Other packages use `definitions` and `load`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from executions.models import Workflow
from executions.workflows.definitions import save_workflow
from workflow_platform.core.accounts.models import User, Workspace

FOLDER = Path(__file__).parent


def definitions() -> list[dict[str, Any]]:
    """Return the definitions of the samples, with CSV files inserted into their sample input."""
    samples = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    for definition in samples:
        for item in definition.get("settings", {}).get("sample_input", []):
            if name := item.pop("csv_file", None):
                item["csv"] = (FOLDER / "data" / name).read_text()
    return samples


def load(workspace: Workspace, by: User | None) -> list[Workflow]:
    """Create the samples whose names are not in use in the workspace. Returns the created workflows."""
    names = set(Workflow.objects.filter(workspace=workspace).values_list("name", flat=True))
    return [
        save_workflow(workspace=workspace, definition=definition, by=by)
        for definition in definitions()
        if definition["name"] not in names
    ]
