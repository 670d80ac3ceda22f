"""nginx in front of web processes, run from docs/nginx.conf, which operators are shown."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.sites import ROOT, Process
from workflow_platform.installation.embedded import free_port

EXAMPLE = ROOT / "docs" / "nginx.conf"


def nginx_or_skip() -> str:
    """Return the program; skip the test, and say so loudly, where there is none."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(
            "NOT TESTED: there is no nginx on this machine (Debian: apt-get install nginx-light); .ci/run has it"
        )
    return found


def nginx(folder: Path, ports: Collection[int]) -> tuple[Process, str]:
    """Return nginx, yet to be started, in front of the ports, and the URL that it answers at."""
    program, port = nginx_or_skip(), free_port()
    folder.mkdir()
    configuration, listens = re.subn(r"listen 127\.0\.0\.1:\d+", f"listen 127.0.0.1:{port}", EXAMPLE.read_text())
    server = re.search(r" *server 127\.0\.0\.1:8001(.*)\n", configuration)
    assert server is not None
    configuration = configuration.replace(server[0], "".join(f"server 127.0.0.1:{p}{server[1]}\n" for p in ports))
    configuration, taken = re.subn(r" *server 127\.0\.0\.1:8002.*\n", "", configuration)
    assert (listens, taken) == (2, 1)  # of the pages and of the webhooks
    file = folder / "nginx.conf"
    file.write_text(configuration)
    directives = "daemon off; master_process on;" + (" user root;" if os.geteuid() == 0 else "")
    command = [program, "-p", f"{folder}/", "-c", str(file), "-e", "error.log", "-g", directives]
    return Process(command, folder / "nginx.log", {}, lambda: _listens(port)), f"http://127.0.0.1:{port}"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
