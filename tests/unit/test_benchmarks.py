"""The benchmarks, as far as a test can hold them: they are rarely run, and start without the tests' settings."""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks.__main__ import LONG, USUAL


def test_every_benchmark_can_be_started_by_its_name() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [line.split(":")[0].split(" ")[0] for line in listed] == [*USUAL, *LONG]
    assert all(line.split(": ", 1)[1] for line in listed)
