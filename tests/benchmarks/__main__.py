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
from typing import Any

import django

from tests.benchmarks.reporting import report
from tests.servers import SECRET_KEY, servers

USUAL = (
    "streaming",
    "many_streams",
    "fan_out",
    "compression",
    "late_join",
    "reconnect",
    "appending",
    "outbox",
    "bus",
    "outbound",
    "webhooks",
    "node_to_client",
    "executions",
    "inbound",
    "steps",
    "cancelling",
    "waiting_calls",
    "recovery",
)
LONG = (
    "idle",
    "lists",
    "files",
    "slow_client",
    "starvation",
    "long_log",
    "growth",
    "admission",
    "waiting",
    "monitor",
    "first_load",
    "large_graph",
    "retention",
)
"""Only run when they are named: they take minutes; growth and long_log gigabytes of disk, the pages' a Chromium."""
SERVERS_ONLY = {
    "lists",
    "streaming",
    "many_streams",
    "fan_out",
    "compression",
    "late_join",
    "reconnect",
    "slow_client",
    "bus",
    "outbound",
    "admission",
    "retention",
}
"""They bring their processes along; all others start what they need themselves."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones to run")
    parser.add_argument("--list", action="store_true", help="name them, with what they measure")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {*USUAL, *LONG}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; see --list")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")
    os.environ.setdefault("SECRET_KEY", SECRET_KEY)
    if arguments.list:
        for name in (*USUAL, *LONG):
            what = (loaded(name).__doc__ or "").split("\n")[0]
            print(f"{name}{' (only when named)' * (name in LONG)}: {what}")
        return 0
    names = arguments.names or USUAL
    if some := [name for name in names if name in SERVERS_ONLY]:
        with servers() as folder:
            for name in some:
                run(name, folder)
    for name in names:
        if name not in SERVERS_ONLY:
            with tempfile.TemporaryDirectory(prefix="wfp-bench-", ignore_cleanup_errors=True) as folder_name:
                run(name, Path(folder_name))
    return 0


def run(name: str, folder: Path) -> None:
    """Run one of them."""
    loaded(name).run(folder, report)


def loaded(name: str) -> Any:
    """Import a benchmark. It may import models: the settings are read first, with the addresses of its servers."""
    django.setup()
    return importlib.import_module(f"tests.benchmarks.{name}")


if __name__ == "__main__":
    sys.exit(main())
