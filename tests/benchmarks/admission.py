"""What one admission costs with a line of 1,000 and of 20,000, without and with a key for each."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tests.benchmarks.reporting import Report

TIMES = 30


def measure(length: int, *, workflows: int, keys: int) -> float:
    """Return the median of the seconds that one admission takes, with one place free, in a transaction rolled back."""
    from django.conf import settings
    from django.db import connection, transaction

    from executions import admission
    from tests.admitting import admitted, end, start, workflow_in

    settings.PERF_MAX_CONCURRENT_EXECUTIONS, settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS = 20, 20
    took = []
    with transaction.atomic():
        limits: dict[str, object] = {"concurrency": {"limit": 1, "key": "{{ $json.k }}"}} if keys else {}
        for number in range(workflows):
            workflow = workflow_in(f"bench-{number % 3}", **limits)
            for key in range(max(1, keys)):
                start(workflow, length // workflows // max(1, keys), input={"k": key})
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE executions_execution")
        for _ in range(TIMES):
            end(admitted()[:1])
            began = time.perf_counter()
            admission.admit()
            took.append(time.perf_counter() - began)
        transaction.set_rollback(True)
    return statistics.median(took)


def run(folder: Path, report: Report) -> None:
    """Report the milliseconds of one admission."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    for length in (1_000, 20_000):
        for workflows, keys in ((1, 0), (30, 0), (1, 100), (1, length)):
            seconds = measure(length, workflows=workflows, keys=keys)
            report("admission", "ms", seconds * 1000, in_line=length, workflows=workflows, keys=keys)
