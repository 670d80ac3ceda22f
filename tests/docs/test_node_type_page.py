"""docs/node-types.md: its package is the one in docs/examples, and a platform that has it installed runs its node."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Platform
from tests.docs.pages import DOCS, code_blocks
from tests.workflows import edge, node

EXAMPLE = DOCS / "examples" / "iban-node"
VALID, WRONG_DIGIT = "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"


@pytest.mark.parametrize(("language", "name"), [("toml", "pyproject.toml"), ("python", "iban_node.py")])
def test_the_page_shows_the_files_of_the_example(language: str, name: str) -> None:
    (shown,) = [block.text for block in code_blocks("node-types.md") if block.language == language]
    assert shown == (EXAMPLE / name).read_text()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example with pip, without a network. Returns the folder that it is installed in."""
    source = tmp_path_factory.mktemp("source") / "iban-node"  # a build writes next to what it builds
    shutil.copytree(EXAMPLE, source)
    target = tmp_path_factory.mktemp("target")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", str(target), str(source)], check=True
    )
    return target


def workflow(**parameters: Any) -> dict[str, Any]:
    nodes = [node("start", "manual_trigger"), node("check", "iban", **parameters)]
    return {"name": "Accounts", "nodes": nodes, "edges": [edge("start", "check")]}


def test_an_installed_node_type_is_served_checked_and_run(another: Callable[..., Platform], installed: Path) -> None:
    platform = another(PYTHONPATH=str(installed))
    served = {node_type["type"]: node_type for node_type in platform.request("GET", "/api/node-types/").json()}
    assert served["iban"]["outputs"] == ["valid", "invalid"]

    refused = platform.request("POST", "/api/workflows/", json=workflow(value="{{ $json.iban }}", country="GB"))
    assert refused.status_code == 400
    assert "parameters.country" in refused.text

    saved = platform.request("POST", "/api/workflows/", json=workflow(value="{{ $json.iban }}"))
    assert saved.status_code == 201, saved.text
    items = [{"iban": VALID}, {"iban": WRONG_DIGIT}]
    path = f"/api/workflows/{saved.json()['id']}/execute/"
    execution = platform.request("POST", path, json={"input": items, "wait": 60}).json()
    assert execution["status"] == "completed", execution
    output = platform.request("GET", f"/api/executions/{execution['id']}/nodes/check/output/").json()
    assert output["outputs"] == {"valid": [items[0]], "invalid": [items[1]]}
