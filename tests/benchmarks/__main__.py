"""`make bench`: one JSON line per figure, each beside a bare baseline that was measured in the same run.

`python -m tests.benchmarks [NAME …]` runs only those named; `--list` names them all.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.reporting import report
from tests.servers import SECRET_KEY, servers

USUAL = ("streaming", "bus", "outbound", "executions", "steps", "waiting_calls", "recovery")
LONG = ("growth", "admission", "waiting", "monitor", "retention")
"""Only run when they are named: they take minutes, growth gigabytes of disk too; monitor needs a Chromium."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones to run")
    parser.add_argument("--list", action="store_true", help="name them")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join([*USUAL, *(f"{name} (only when named)" for name in LONG)]))
        return 0
    if unknown := set(arguments.names) - {*USUAL, *LONG}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; see --list")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")
    os.environ.setdefault("SECRET_KEY", SECRET_KEY)
    for name in arguments.names or USUAL:
        run(name)
    return 0


def run(name: str) -> None:
    if name in {
        "streaming",
        "bus",
        "outbound",
        "admission",
        "retention",
    }:  # bring their processes along and need the servers only
        with servers() as folder:
            importlib.import_module(f"tests.benchmarks.{name}").run(folder, report)
        return
    with tempfile.TemporaryDirectory(prefix="wfp-bench-", ignore_cleanup_errors=True) as folder_name:
        importlib.import_module(f"tests.benchmarks.{name}").run(Path(folder_name), report)


if __name__ == "__main__":
    sys.exit(main())
