"""What an operator does in `manage.py shell` over the platform under test, without a second of start each time."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

_LOOP = """
import contextlib, io, json, sys, traceback
import django

django.setup()
from django.db import connection

for line in sys.stdin:
    said, error = io.StringIO(), None
    with contextlib.redirect_stdout(said):
        try:
            exec(json.loads(line), {})
        except Exception:
            error = traceback.format_exc()
    connection.close()
    print(json.dumps([said.getvalue(), error]), flush=True)
"""


class Shell:
    """Runs pieces of code one after the other, each with names of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder

    @cached_property
    def _process(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", _LOOP],
            cwd=self._folder,
            env=self._environment | {"DJANGO_SETTINGS_MODULE": "workflow_platform.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str) -> str:
        """Run the code. Returns what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        said, error = json.loads(self._process.stdout.readline())
        assert error is None, error
        return str(said)

    def close(self) -> None:
        """End it, if it was needed."""
        if "_process" in vars(self):
            self._process.communicate(timeout=20)

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *raised: Any) -> None:
        self.close()
