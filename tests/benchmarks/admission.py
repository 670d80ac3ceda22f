"""What one admission costs with a line of 1,000 and of 20,000, without and with a key for each."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tests.benchmarks.reporting import Report

TIMES = 30


def measure(length: int, *, workflows: int, keys: int) -> tuple[float, float]:
    """Return the median seconds of one admission with one place free, and of one explanation, for a line of `length`;
    with one key all but one execution stand behind a key that is full."""
    from django.conf import settings
    from django.db import connection, transaction

    from executions.admission import admission
    from executions.admission.explanation import explain
    from tests.admitting import admitted, end, start, workflow_in
    from workflow_platform.core.accounts.models import User

    settings.PERF_MAX_CONCURRENT_EXECUTIONS, settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS = 20, 20
    admitting, explaining = [], []
    with transaction.atomic():
        limits: dict[str, object] = {"concurrency": {"limit": 1, "key": "{{ $json.k }}"}} if keys else {}
        for number in range(workflows):
            workflow = workflow_in(f"bench-{number % 3}", **limits)
            made = start(workflow, length // workflows, inputs=lambda n: {"k": n % max(1, keys)})
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE executions_execution")
        user = User.objects.first() or User.objects.create_user("bench")
        for _ in range(TIMES):
            end(admitted()[:1])
            began = time.perf_counter()
            admission.admit()
            admitting.append(time.perf_counter() - began)
            began = time.perf_counter()
            explain(made[-1], user)
            explaining.append(time.perf_counter() - began)
        transaction.set_rollback(True)
    return statistics.median(admitting), statistics.median(explaining)


def run(folder: Path, report: Report) -> None:
    """Report the milliseconds of one admission."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    for length in (1_000, 20_000):
        for workflows, keys in ((1, 0), (30, 0), (1, 1), (1, 100), (1, length)):
            admitting, explaining = measure(length, workflows=workflows, keys=keys)
            told = {"in_line": length, "workflows": workflows, "keys": keys}
            report("admission", "ms", admitting * 1000, **told)
            report("explanation of why it is queued", "ms", explaining * 1000, **told)
