"""What a platform costs that has nothing to do: the CPU time of its processes, in percent of one core."""

from __future__ import annotations

import time
from pathlib import Path

from tests.benchmarks.reporting import Report
from tests.installation import installation

SETTLED_SECONDS, MEASURED_SECONDS = 30, 60


def run(folder: Path, report: Report) -> None:
    with installation(folder) as platform:
        time.sleep(SETTLED_SECONDS)
        before = platform.cpu_seconds()
        time.sleep(MEASURED_SECONDS)
        used = {kind: seconds - before[kind] for kind, seconds in platform.cpu_seconds().items()}
    percent = {kind: round(100 * seconds / MEASURED_SECONDS, 2) for kind, seconds in used.items()}
    report("CPU of an idle platform", "% of a core", sum(percent.values()), **percent)
