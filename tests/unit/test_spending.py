"""What is collected of waits, calls and sandbox tasks, and how a node run sums it up."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from django.utils import timezone

from executions.domain.expressions import ExpressionScope
from executions.engine.run_cost import RunCost
from executions.models import NodeRun
from executions.sandbox import code as sandboxed
from executions.sandbox.code import CodeCall
from workflow_platform.core import spending
from workflow_platform.core.outbound.addresses import Timings
from workflow_platform.core.sandbox.pool import Pool
from workflow_platform.core.spending import Spending, collecting
from workflow_platform.installation.embedded import wait_until


def phases(timings: Timings) -> dict[str, float]:
    return {name: round(value) for name, value in timings.figures().items() if name.endswith("_ms") and value}


def test_phases_follow_each_other_and_a_failed_call_ends_in_the_one_that_it_reached() -> None:
    complete = Timings(dns=2, connect=3, tls=5, first_byte=30, total=34, asked=True)
    assert phases(complete) == {"dns_ms": 2, "connect_ms": 3, "tls_ms": 5, "first_byte_ms": 20, "transfer_ms": 4}
    assert phases(Timings(dns=2, first_byte=30, total=34, asked=True)) == {  # over a kept connection
        "dns_ms": 2,
        "first_byte_ms": 28,
        "transfer_ms": 4,
    }
    assert phases(Timings(total=9)) == {"dns_ms": 9}
    assert phases(Timings(dns=2, total=9)) == {"dns_ms": 2, "connect_ms": 7}
    assert phases(Timings(dns=2, connect=3, total=9)) == {"dns_ms": 2, "connect_ms": 3, "tls_ms": 4}
    assert phases(Timings(dns=2, connect=3, total=9, asked=True)) == {"dns_ms": 2, "connect_ms": 3, "first_byte_ms": 4}


def test_only_the_thread_that_collects_gets_what_is_reported_and_a_wait_contains_its_calls() -> None:
    spending.called({"dns_ms": 1.0})  # nobody collects
    with collecting() as found:
        spending.called({"dns_ms": 1.0, "sent_bytes": 7})
        with spending.waiting("credential"):
            spending.called({"dns_ms": 1.0})
        thread = threading.Thread(target=spending.called, args=({"dns_ms": 1.0},))
        thread.start()
        thread.join()
        spending.computed(3.0, 0)
        assert found.memory_bytes is None  # unknown
        spending.computed(3.0, 50)
        spending.computed(1.0, 20)
    assert (found.calls, found.cpu_ms, found.memory_bytes) == ({"count": 1, "dns_ms": 1.0, "sent_bytes": 7}, 7.0, 50)
    assert "credential_ms" in found.waits
    assert Spending().data() is None


def test_a_task_that_waits_for_a_sandbox_process_says_for_how_long() -> None:
    pool, found = Pool(1), Spending()

    def run() -> None:
        with collecting() as mine:
            call = CodeCall("return [];", ExpressionScope([]), "all", 1, 2**24, 2**20)
            sandboxed.run(call, group="one", pool=pool)
        found.add(mine)

    try:
        with pool._turns.place("one", "", lambda: None):
            thread = threading.Thread(target=run)
            thread.start()
            wait_until(lambda: pool._turns.waiting() == 1, "The task")
            began = time.monotonic()
            wait_until(lambda: time.monotonic() - began > 0.1, "A wait")
            held_ms = (time.monotonic() - began) * 1000
        thread.join()
    finally:
        pool.close()
    assert found.waits["sandbox_ms"] >= held_ms


def test_a_run_sums_its_attempts_up_also_in_another_process() -> None:
    row = NodeRun(started_at=timezone.now() - timedelta(seconds=10))
    first, second = Spending({"calls": {"count": 1}}), Spending({"calls": {"count": 2}})
    first.memory_bytes, second.memory_bytes = 50, 20
    cost = RunCost()
    cost.add(row, first, time.monotonic() - 2, 500, 5)  # two seconds, of which its node ran half a one
    assert 1400 < row.cost["waits"]["turn_ms"] < 1600
    assert 7900 < row.cost["waits"]["pause_ms"] < 8100
    cost.pause(row)
    assert row.shown_cost == {"waits": row.cost["waits"], "calls": {"count": 1}}
    elsewhere = RunCost()
    elsewhere.restore(row)
    elsewhere.add(row, second, time.monotonic() - 1, 1000, 7)
    assert row.cost["calls"] == {"count": 3}
    assert 6900 < row.cost["waits"]["pause_ms"] < 7100
    assert "attempts" not in row.cost
    assert (row.cpu_ms, row.memory_bytes) == (12, 50)
    elsewhere.add(row, Spending(), time.monotonic(), 0, None)
    assert row.cpu_ms is None  # what the thread of an attempt that timed out still uses is unknown
